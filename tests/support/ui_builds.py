"""Small builds of a web UI, in the manner of the stock one, unpacked and packed."""

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

INDEX = """<!doctype html>
<html lang="en">

<head>
  <script>
    window.GLOBAL_CONFIG = {
      // PREFIX: "/dist/small-ui/",
    };

    let base_href = '/';
    if (window.GLOBAL_CONFIG.PREFIX) {
      base_href = window.GLOBAL_CONFIG.PREFIX;
    }
    const base = document.createElement("base");
    base.setAttribute("href", base_href);
    document.head.appendChild(base);
  </script>
  <meta charset="utf-8">
  <title>Small UI</title>
  <link rel="preconnect" href="https://fonts.example.org">
  <link href="https://fonts.example.org/css?family=Any" rel="stylesheet">
  <link rel="stylesheet" href="styles.0123456789abcdef.css" media="print" onload="this.media='all'">
</head>

<body>
  <p id="said">nothing yet</p>
  <script src="main.0123456789abcdef.js" type="module"></script>
</body>

</html>
"""
MAIN = """
import { greeting } from "./common.0123456789abcdef.js";
const say = (words) => { document.getElementById("said").textContent += words; };
document.getElementById("said").textContent = greeting;
const worker = new Worker(new URL("worker.0123456789abcdef.js", document.baseURI));
worker.onmessage = (event) => say(" " + event.data);
worker.onerror = () => say(" no worker");
worker.postMessage(20);
"""
COMMON = 'export const greeting = "module";\n' + "// so long that it is worth compressing\n" * 60
WORKER = (
    'importScripts("lib.0123456789abcdef.js");\nonmessage = (event) => postMessage(twice(event.data) + 2);\n'
)
LIBRARY = "function twice(number) { return 2 * number; }\n"
FILES: dict[str, bytes] = {
    "index.html": INDEX.encode(),
    "main.0123456789abcdef.js": MAIN.encode(),
    "common.0123456789abcdef.js.gz": gzip.compress(COMMON.encode(), mtime=0),
    "worker.0123456789abcdef.js": WORKER.encode(),
    "lib.0123456789abcdef.js": LIBRARY.encode(),
    "styles.0123456789abcdef.css": b"@font-face { font-family: Any; src: url(any.woff2?v=2.137) }\n"
    b"p { color: rgb(0, 128, 0); font-family: Any, serif; font-size: 32px }\n",
    "any.woff2": b"wOF2",
    "engine.wasm": b"\0asm\1\0\0\0",
    "favicon.ico": b"\0\0\1\0",
    "assets/i18n/en.json": b'{"HELLO": "hello"}',
    "assets/drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
}


def unpacked(folder: Path, files: Mapping[str, bytes] = FILES) -> Path:
    """The build as a directory."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def packed(
    path: Path, files: Mapping[str, bytes] = FILES, *strange: tarfile.TarInfo, top: str = "dist/small-ui/"
) -> Path:
    """The build as a `.tar.gz`, with further members at its end."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(top + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in strange:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return path
