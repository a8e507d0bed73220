"""What a support colleague does with memories, in a real browser."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.support.screen import OpenScreen, link


def test_saved_under_one_form_of_the_id_found_under_another(
    address: str, open_screen: OpenScreen
) -> None:
    screen = open_screen(address, "/memories")
    screen.choose_user("Wanda@Example.com ")
    expect(screen.part("answer")).to_contain_text("Nothing was ever saved under wanda@example.com")
    expect(screen.page.get_by_text("1 space removed; lower-cased")).to_be_visible()
    screen.page.get_by_role("button", name="Save under this new id").click()
    screen.settle()
    screen.save("Cashews and pistachios give Wanda hives.")
    expect(
        screen.page.get_by_text(re.compile("Stored 1 memory, verified, in [0-9,]+ ms"))
    ).to_be_visible()
    screen.save("Her sister lives in Lisbon.")

    screen.choose_user("WANDA@example.com")
    screen.open_tab("Ask")
    screen.ask("Which nuts must she avoid?")
    expect(
        screen.page.get_by_text(re.compile("searched all 2 memories in [0-9,]+ ms"))
    ).to_be_visible()
    expect(screen.part("hit-1")).to_contain_text("Cashews and pistachios give Wanda hives.")
    for parameter in ("user=wanda%40example[.]com", "q=Which", "view=Ask"):
        expect(screen.page).to_have_url(re.compile(f"[?&]{parameter}"))


def test_a_document_is_uploaded_and_its_result_survives_a_reload(
    address: str, open_screen: OpenScreen
) -> None:
    screen = open_screen(address, link("ursula@example.com"))
    screen.page.get_by_text("Save a memory").click()
    screen.page.get_by_text("File", exact=True).click()
    screen.settle()
    paragraphs = [f"Chapter {n}. " + f"The garden of number {n} is green. " * 20 for n in range(40)]
    screen.page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(
        {
            "name": "garden.txt",
            "mimeType": "text/plain",
            "buffer": "\n\n".join(paragraphs).encode(),
        }
    )
    screen.settle()
    screen.page.get_by_role("button", name="Save file").click()
    stored = screen.part("job").get_by_text(re.compile("Stored [0-9]+ memories, verified"))
    expect(stored).to_be_visible()
    expect(screen.page).to_have_url(re.compile("[?&]job="))
    screen.page.reload()
    expect(stored).to_be_visible()
    expect(screen.part("job")).to_contain_text("garden.txt")
    expect(
        screen.page.get_by_text(re.compile("1 to 20 of [0-9]+ memories, complete"))
    ).to_be_visible()


def test_back_leads_from_the_details_to_the_answer_of_a_link(
    address: str, open_screen: OpenScreen
) -> None:
    question = "Which nuts does she have to avoid?"
    screen = open_screen(address, link("Alice@Example.com", q=question), fresh=True)
    expect(screen.page).to_have_title("Memories · Holdfast")
    expect(screen.part("hit-1")).to_contain_text("Cashews and pistachios")
    screen.part("hit-1").get_by_role("button", name="Details").click()
    screen.settle()
    tab = screen.page.get_by_role("tab", name="Memories")
    expect(tab).to_have_attribute("aria-selected", "true")
    expect(screen.part("detail")).to_contain_text("Cashews and pistachios")
    expect(screen.page.locator("[aria-current=page]").last).to_have_text("2")
    expect(screen.page).to_have_url(re.compile("[?&]memory="))
    screen.page.go_back()
    expect(screen.part("hit-1")).to_contain_text("Cashews and pistachios")
    expect(screen.page.get_by_label("Question")).to_have_value(question)


def test_a_click_on_a_name_opens_it_and_back_takes_each_step_once(
    address: str, open_screen: OpenScreen
) -> None:
    screen = open_screen(address, "/users")
    screen.choose_user("Alice")
    screen.expect_announced("One user matches.")
    screen.page.get_by_role("button", name="Open").click()
    expect(screen.part("canonical")).to_contain_text("alice@example.com")
    screen.open_tab("Timeline")
    screen.open_tab("Export and removal")
    for step in ("Timeline", "Memories"):
        screen.page.go_back()
        tab = screen.page.get_by_role("tab", name=step)
        expect(tab).to_have_attribute("aria-selected", "true")
    screen.page.go_back()
    expect(screen.part("answer")).to_contain_text("One user matches.")
    expect(screen.page.get_by_label("Find a person")).to_have_value("Alice")
    screen.choose_user("")
    screen.select_row(0)
    expect(screen.part("canonical")).to_contain_text("@")
    screen.resize((390, 844))
    screen.select_row(3)
    expect(screen.part("detail")).to_be_in_viewport(ratio=1)


def test_a_memory_is_changed_and_then_deleted_after_a_confirmation(
    address: str, open_screen: OpenScreen
) -> None:
    screen = open_screen(address, link("edith@example.com"))
    screen.save("Prefers tea.")
    screen.select_row(0)
    screen.part("detail").get_by_role("button", name="Edit").click()
    screen.settle()
    screen.part("detail").get_by_role("textbox", name="Text").fill("Prefers coffee.")
    screen.part("detail").get_by_role("button", name="Save change").click()
    expect(screen.page.get_by_text("Changed, verified.")).to_be_visible()
    screen.settle()
    expect(screen.part("detail")).to_contain_text("Prefers coffee.")
    screen.part("detail").get_by_text("History").click()
    screen.settle()
    expect(screen.page.get_by_text("2 events, complete")).to_be_visible()

    screen.part("detail").get_by_role("button", name="Delete").click()
    dialog = screen.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Preview: 1 memory deleted.")
    dialog.get_by_role("button", name="Keep as it is").click()
    expect(dialog).to_have_count(0)
    screen.settle()
    screen.part("detail").get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete 1 memory").click()
    expect(screen.page.get_by_text("1 memory deleted; 1 read back from the index")).to_be_visible()
    expect(dialog).to_have_count(0)
    expect(screen.page.get_by_text("No memories yet.")).to_be_visible()


def test_a_refused_text_stays_a_double_click_saves_once_and_a_draft_outlasts_other_pages(
    address: str, open_screen: OpenScreen
) -> None:
    screen = open_screen(address, link("double@example.com"))
    screen.save("x" * 33_000)
    expect(screen.page.get_by_text("the limit is 32,768")).to_be_visible()
    text = screen.page.get_by_role("textbox", name="Text")
    expect(text).to_have_value("x" * 33_000)
    text.fill("Clicks twice.")
    screen.page.get_by_role("button", name="Save").dblclick()
    screen.settle()
    expect(screen.page.get_by_text(re.compile("Stored 1 memory, verified"))).to_be_visible()

    screen.page.get_by_role("textbox", name="Text").fill("Half a sentence")
    screen.open_tab("Ask")
    chosen = screen.part("canonical").get_by_text("@").first.inner_text()
    screen.page.get_by_role("link", name="Overview").click()
    expect(screen.page).to_have_title("Overview · Holdfast")
    screen.settle()
    screen.page.get_by_role("link", name="Memories", exact=True).click()
    expect(screen.page).to_have_title("Memories · Holdfast")
    expect(screen.part("canonical").get_by_text("@").first).to_have_text(chosen)
    expect(screen.page.get_by_role("textbox", name="Text")).to_have_value("Half a sentence")
