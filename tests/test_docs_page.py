"""The docs explorer in a real browser: it opens, authorises, asks and stays at home."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import element_to_be_clickable
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.processes import admin_key, client, database, started
from tests.support.world import sample

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1600",
)
FROM_AFAR = {"http", "https", "ws", "wss"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (BROWSER and DRIVER),
        reason="needs a browser and its driver: apt-get install chromium chromium-driver",
    ),
]


class Page:
    """What a reader of the docs explorer sees, and does with it."""

    def __init__(self, browser: Chrome) -> None:
        self.browser = browser

    def find(self, where: str, within: str = "") -> WebElement:
        """The element of this CSS selector, once it can be clicked."""
        wait = WebDriverWait(self.browser, 15, poll_frequency=0.05)
        return wait.until(element_to_be_clickable((By.CSS_SELECTOR, within + where)))

    def click(self, where: str, within: str = "") -> None:
        element = self.find(where, within)
        self.browser.execute_script(
            "arguments[0].scrollIntoView({block: 'center'})", element
        )
        element.click()

    def authorise(self, key: str) -> None:
        """Through the dialog, as a reader would."""
        self.click(".auth-wrapper > .authorize")
        self.find("input", ".modal-ux ").send_keys(key)
        self.click("button.authorize", ".modal-ux ")
        self.click("button.btn-done", ".modal-ux ")

    def try_out(self, method: str, path: str) -> tuple[str, str]:
        """Open an operation, send it as it stands; status and body of the answer."""
        block = f".opblock-{method}:has([data-path='{path}']) "
        self.click(".opblock-summary-control", block)
        self.click(".try-out__btn", block)
        self.click("button.execute", block)
        answer = block + ".live-responses-table .response "
        return (
            self.find(".response-col_status", answer).text,
            self.find(".response-col_description pre", answer).text,
        )

    def asked(self) -> set[str]:
        """Hosts that the pages sent requests to since this was last asked."""
        urls: dict[str, str] = {}
        for entry in self.browser.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            told = event["params"]
            if event["method"] == "Network.requestWillBeSent":
                urls[told["requestId"]] = told["request"]["url"]
            if event["method"] == "Network.loadingFailed" and "blockedReason" in told:
                urls.pop(told["requestId"], None)  # it was never sent
        parts = map(urlsplit, urls.values())
        return {url.hostname or "" for url in parts if url.scheme in FROM_AFAR}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A headless browser with a profile of its own."""
    options = ChromeOptions()
    options.binary_location = str(BROWSER)
    profile = tmp_path_factory.mktemp("profile")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    browser = Chrome(options=options, service=ChromeService(DRIVER))
    yield Page(browser)
    browser.quit()


@pytest.fixture(scope="module")
def home(
    template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """Where all-in-one serves the units of 2022, and an administrator's key."""
    within = tmp_path_factory.mktemp("docs")
    with database(template, "docs_page", template="template_dondoc") as url:
        here = {
            "DATABASE_URL": url,
            "DONDOC_ENV": "test",
            "DONDOC_NOW": "2022-04-22T08:00:00+07:00",
            "DONDOC_PORT": "0",
        }
        with started("serve", "all", within=within / "serve", **here) as process:
            key = admin_key(within / "key", **here)
            with client(process.address(), key) as ask:
                ask.put("/v1/units", json=sample("units_2022.json")).raise_for_status()
            yield process.address(), key


def test_a_reader_of_docs_authorises_and_tries_out_reading_and_sending(
    home: tuple[str, str], page: Page
) -> None:
    address, key = home
    page.browser.get(f"{address}/docs")

    page.authorise(key)
    units = page.try_out("get", "/v1/units")
    receipt = page.try_out("post", "/v1/reports")

    assert units[0] == "200", units
    assert "Toàn quốc" in units[1]
    assert receipt[0] == "202", receipt
    assert json.loads(receipt[1])["accepted"] == 1


@pytest.mark.parametrize(
    ("path", "drawn"),
    [
        pytest.param("/docs", ".opblock", id="docs"),
        pytest.param("/redoc", "[href^='https://redocly.com']", id="redoc"),
    ],
)
def test_nothing_leaves_the_machine_when_a_reader_opens(
    home: tuple[str, str], page: Page, path: str, drawn: str
) -> None:
    page.asked()  # whatever it was before

    page.browser.get(home[0] + path)
    page.find(drawn)

    assert page.asked() == {"127.0.0.1"}
