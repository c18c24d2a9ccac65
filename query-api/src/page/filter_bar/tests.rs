use super::*;

fn bar(query: &str, options: Option<&Result<Options, Problem>>) -> FilterBar {
    let state = State::read(Some(query)).unwrap();
    FilterBar::of(&Ingredients {
        state: &state,
        path: "/p",
        api: "/v1/orgs/acme",
        as_of: "1:2:3",
        options,
        names: &Directory::default(),
        today: "2026-11-14".parse().unwrap(),
        period: None,
        calls: None,
    })
}

#[test]
fn a_chip_takes_its_own_value_off_and_no_other() {
    let bar = bar("range=last_month&member=a&member=b&reason=chat&model=openai/gpt-6&byok=only", None);
    let chips: Vec<(&str, &str, &str)> =
        bar.chips.iter().map(|chip| (chip.kind, chip.value.as_str(), chip.href.as_str())).collect();
    assert_eq!(
        chips,
        [
            ("Period", "Last month", "?member=a&member=b&reason=chat&model=openai%2Fgpt-6&byok=only"),
            (
                "Member",
                "Unknown user",
                "?range=last_month&member=b&reason=chat&model=openai%2Fgpt-6&byok=only"
            ),
            (
                "Member",
                "Unknown user",
                "?range=last_month&member=a&reason=chat&model=openai%2Fgpt-6&byok=only"
            ),
            ("Reason", "Chat", "?range=last_month&member=a&member=b&model=openai%2Fgpt-6&byok=only"),
            ("Model", "gpt-6", "?range=last_month&member=a&member=b&reason=chat&byok=only"),
            ("", "BYOK only", "?range=last_month&member=a&member=b&reason=chat&model=openai%2Fgpt-6"),
        ]
    );
    assert_eq!(bar.chips[1].note, "a");
    assert_eq!(bar.clear_all, "/p");
}

#[test]
fn custom_shows_its_fields_and_no_chip_until_both_dates_are_there() {
    let unfilled = bar("range=custom&since=2026-11-01", None);
    assert!(unfilled.chips.is_empty());
    assert!(unfilled.custom.is_some());
    let filled = bar("range=custom&since=2026-11-01&until=2026-11-02", None);
    assert_eq!(filled.chips[0].value, "1 Nov – 2 Nov 2026");
    assert!(filled.custom.is_some());
    assert!(bar("range=last_month", None).custom.is_none());
}

#[test]
fn the_form_keeps_what_it_has_no_field_for() {
    assert_eq!(bar("", None).hidden, []);
    let kept = bar("range=last_month&byok=none&members=all&member=a", None).hidden;
    let kept: Vec<(&str, &str)> = kept.iter().map(|(key, value)| (*key, value.as_str())).collect();
    assert_eq!(kept, [("range", "last_month"), ("byok", "none"), ("members", "all")]);
}

#[test]
fn the_four_known_reasons_are_always_offered() {
    let options = Ok(Options::with_none(&State::read(None).unwrap().narrow));
    let bar = bar("", Some(&options));
    let labels: Vec<&str> = bar.dropdowns[1].options.iter().map(|option| option.label.as_str()).collect();
    assert_eq!(labels, ["Chat", "Classify questions", "Generate field", "Summarize CV"]);
    assert!(bar.dropdowns[1].options.iter().all(|option| option.calls.as_deref() == Some("0")));
}

#[test]
fn a_chosen_value_without_a_call_stays() {
    let options = Ok(Options::with_none(&State::read(Some("model=x/y")).unwrap().narrow));
    let bar = bar("model=x/y", Some(&options));
    let models = &bar.dropdowns[2];
    assert_eq!((models.chosen, models.options[0].value.as_str(), models.options[0].chosen), (1, "x/y", true));
}
