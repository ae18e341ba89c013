"""nginx with one fixed answer: nginx_server.py NGINX FOLDER. Prints its port; ends with stdin."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from row_server import _BODY

CONFIG = """
daemon off; worker_processes 1; error_log /dev/null; pid {folder}/nginx.pid;
events {{ worker_connections 16384; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/body;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ default_type application/json; return 200 '{body}'; }}
  }}
}}
"""


def main() -> None:
    nginx, folder = sys.argv[1], Path(sys.argv[2])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, body=_BODY.decode()))
    server = subprocess.Popen([nginx, "-c", str(config), "-p", str(folder)])
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            if server.poll() is not None:
                raise SystemExit("nginx does not start") from None
    print(port, flush=True)
    sys.stdin.read()
    server.terminate()
    server.wait()


if __name__ == "__main__":
    main()
