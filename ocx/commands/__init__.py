"""The commands: each a Typer signature and a short body: settings, request, one call, output."""
