"""The smallest programs that do the same with the same libraries: what ours are measured by."""

from __future__ import annotations

TYPER = """
import typer
def main(): print("work")
typer.run(main)
"""

WITHOUT_HTTPX_CLI = "import sys; sys.modules['httpx._main'] = None"
"""httpx imports its own command line where rich and click are installed, as in our environment.
Hiding it makes the peer as quick as it can be, so that it is a fair one."""

IMPORTS = f"""
{WITHOUT_HTTPX_CLI}
import typer, httpx, httpcore, h11
"""
"""What a piped chat pays for its libraries: httpx loads the last two when it connects."""

CHAT = """
import json, os, httpx, typer
def main(prompt: str) -> None:
    body = {"model": os.environ["OCX_MODEL"], "stream": True,
            "messages": [{"role": "user", "content": prompt}]}
    headers = {"Authorization": "Bearer " + os.environ["OCX_API_KEY"]}
    url = os.environ["OCX_BASE_URL"] + "/chat/completions"
    with httpx.stream("POST", url, json=body, headers=headers) as response:
        for line in response.iter_lines():
            if line.startswith("data: {"):
                text = json.loads(line[6:])["choices"][0]["delta"].get("content", "")
                print(text, end="", flush=True)
    print()
typer.run(main)
"""

STREAM = """
import json, os, httpx
body = {"model": os.environ["OCX_MODEL"], "stream": True,
        "messages": [{"role": "user", "content": "hi"}]}
headers = {"Authorization": "Bearer " + os.environ["OCX_API_KEY"]}
url = os.environ["OCX_BASE_URL"] + "/chat/completions"
with httpx.stream("POST", url, json=body, headers=headers) as response:
    rest = b""
    for piece in response.iter_raw():
        *lines, rest = (rest + piece).split(b"\\n")
        for line in lines:
            if line.startswith(b"data: {"):
                json.loads(line[6:])["choices"][0]["delta"].get("content")
"""

STREAM_PRINTED = STREAM.replace(
    """                json.loads(line[6:])["choices"][0]["delta"].get("content")
""",
    """                text = json.loads(line[6:])["choices"][0]["delta"].get("content")
                if text:
                    print(text, end="", flush=True)
""",
)
"""The same, and prints each delta as it comes, as ours does."""
