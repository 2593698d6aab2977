"""The app's server: local only, without telemetry; temporary files are deleted at the end."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssvif.io.errors import UserError

log = logging.getLogger("ssvif")

HOST = "127.0.0.1"
POLL_S = 0.5
QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


def serve(model: Path | None, network: str = "", *, port: int = 0, browser: bool = True, device: str = "auto") -> None:
    """Run the app until SIGINT or SIGTERM; see `running`."""
    # so that temporary files are also deleted after SIGTERM, and in the background, where shells ignore Ctrl+C
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with running(model, network, port=port, device=device, browser=browser) as address:
            log.info("open %s in a browser; Ctrl+C ends the app", address)
            while True:
                time.sleep(POLL_S)  # short, as another thread may receive the signal
    except KeyboardInterrupt:
        log.info("the app has ended")


@contextmanager
def running(
    model: Path | None, network: str = "", *, port: int = 0, device: str = "auto", browser: bool = False
) -> Iterator[str]:
    """Run the app in threads of this process and yield its address; the network `model` is offered first.

    `network` is its class, if that is the user's own.
    The port 0 is the first free one from 7860 on.

    Raises:
        UserError: gradio is not installed, the network cannot be loaded, or the port is in use.
    """
    if importlib.util.find_spec("gradio") is None:
        raise UserError("The app needs gradio", remedy="pip install 'ssvif[app]'")
    with tempfile.TemporaryDirectory(prefix="ssvif-app-") as name:
        os.environ.update(QUIET, GRADIO_TEMP_DIR=name)  # before gradio is imported
        for variable in ("no_proxy", "NO_PROXY"):
            os.environ[variable] = ",".join(filter(None, [os.environ.get(variable), HOST, "localhost"]))
        from ssvif.app.page import build_page
        from ssvif.fusing.api import load_model

        if model:
            load_model(model, device=device, network=network)
        page = build_page(model, device, Path(name), network)
        try:
            _, address, _ = page.launch(
                server_name=HOST,
                server_port=port or None,
                inbrowser=browser,
                share=False,
                quiet=True,
                prevent_thread_lock=True,
                allowed_paths=[name],
                footer_links=[],
                ssr_mode=False,
                mcp_server=False,
                enable_monitoring=False,
                pwa=False,
            )
        except OSError as error:
            raise UserError(f"Port {port} cannot be used", got=str(error), remedy="pass --port 0") from error
        try:
            yield address
        finally:
            page.close(verbose=False)
