"""Say hello from inside the image."""

import os
from pathlib import Path

import humanize
from rich.console import Console

console = Console()
console.print(f"[bold]{os.environ['GREETING']}[/bold]")
console.print(f"jq is {Path('/etc/jq-version').read_text().strip()}")
console.print(f"this file has {humanize.naturalsize(Path(__file__).stat().st_size)}")
