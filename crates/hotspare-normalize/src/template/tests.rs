//! Prompt templates, valid and invalid.

use super::*;
use crate::tokens::chat_size;
use hotspare_core::ToolResult;

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn plain() -> Template {
    Template::parse("plain", "{{ system }}").unwrap()
}

fn texts(request: &ChatRequest) -> Vec<(Role, String)> {
    request.messages.iter().map(|message| (message.role, message.joined_text())).collect()
}

fn said(role: Role, text: &str) -> (Role, String) {
    (role, text.to_owned())
}

#[test]
fn instructions_are_rewritten() {
    let text = "You are {{ model }}.{% if system %} {{ system }}{% endif %} Speak {{ tone }}ly. <b>&\n";
    let template = Template::parse_with("t.html", text, variables(&[("tone", "plain")])).unwrap();
    let request = ChatRequest::to("m")
        .system("Be brief.")
        .message(Message::text(Role::Developer, "{{ x }}"))
        .user("hi");
    assert_eq!(
        texts(&template.apply(&request, "alpha").unwrap()),
        [
            said(Role::System, "You are alpha. Be brief.\n\n{{ x }} Speak plainly. <b>&"),
            said(Role::User, "hi"),
        ]
    );
    let request = ChatRequest::to("m").user("hi");
    assert_eq!(texts(&template.apply(&request, "b").unwrap())[0].1, "You are b. Speak plainly. <b>&");
    assert_eq!(plain().apply(&request, "b").unwrap(), request, "empty instructions are dropped");
}

#[test]
fn roles_are_mapped_in_every_turn() {
    let request = ChatRequest::to("m").system("a").user("b").system("c").assistant("d");
    let with = |role| texts(&plain().with_instruction_role(role).apply(&request, "m").unwrap());
    let head = |role| [said(role, "a"), said(Role::User, "b"), said(role, "c"), said(Role::Assistant, "d")];
    assert_eq!(with(InstructionRole::System), head(Role::System));
    assert_eq!(with(InstructionRole::Developer), head(Role::Developer));
    assert_eq!(
        with(InstructionRole::User),
        [said(Role::User, "a\n\nb"), said(Role::User, "c"), said(Role::Assistant, "d")]
    );
    let alone = ChatRequest::to("m").system("a").assistant("d");
    let alone = plain().with_instruction_role(InstructionRole::User).apply(&alone, "m").unwrap();
    assert_eq!(texts(&alone), [said(Role::User, "a"), said(Role::Assistant, "d")]);
}

#[test]
fn applies_examples_prefix_and_suffix() {
    let template = plain().with_example("2+2", "4").with_prefix("Q: ").with_suffix(" /fast");
    let results = Message::new(Role::User, vec![Part::ToolResult(ToolResult::new("1", "r"))]);
    let request =
        ChatRequest::to("m").system("s").user("first").assistant("a").user("last").message(results.clone());
    let ready = template.apply(&request, "m").unwrap();
    let expected = [
        said(Role::System, "s"),
        said(Role::User, "2+2"),
        said(Role::Assistant, "4"),
        said(Role::User, "first"),
        said(Role::Assistant, "a"),
        said(Role::User, "Q: last /fast"),
    ];
    assert_eq!(texts(&ready)[..6], expected);
    assert_eq!(ready.messages.last(), Some(&results));
    // For a model without that role, instructions precede the examples.
    let ready = template.with_instruction_role(InstructionRole::User).apply(&request, "m").unwrap();
    assert_eq!(texts(&ready)[0], said(Role::User, "s\n\n2+2"));
}

#[test]
fn template_overrides_settings() {
    let mut sampling = Sampling::default();
    sampling.top_k = Some(20);
    sampling.temperature = Some(0.6);
    let mut request = ChatRequest::to("m").temperature(1.0).user("x");
    request.sampling.seed = Some(7);
    request.stop = vec!["END".into()];
    let ready = plain().with_sampling(sampling).with_stop(["END", "<eot>"]).apply(&request, "m").unwrap();
    assert_eq!(ready.stop, ["END", "<eot>"]);
    assert_eq!(
        (ready.sampling.temperature, ready.sampling.top_k, ready.sampling.seed),
        (Some(0.6), Some(20), Some(7))
    );
    assert_eq!(ready.messages, request.messages);
}

#[test]
fn template_errors_are_reported_on_load() {
    for (text, words) in [
        ("a\nb {{ system", "line 2"),
        ("a\nsystm\n{{ system }}{{ systm }}", "line 3: unknown systm; valid values are model, system"),
        ("{% if false %}{{ hidden }}{% endif %}", "line 1: unknown hidden"),
        ("{% for x in system %}{{ y.z }}{% endfor %}", "unknown y"),
        ("{{ system|shout }}", "shout"),
        ("\n{{ system.name }}", "line 2"),
        ("{{ now() }}", "unknown now"),
        ("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "fuel"),
        ("{% include 'other' %}", "template t"),
        ("{{ 1 / 0 }}", "line 1"),
    ] {
        let error = Template::parse("t", text).unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.message().starts_with("template t"), "{error}");
        assert!(error.message().contains(words), "{error} lacks {words:?}");
    }
    assert!(Template::parse_with("t", "x", variables(&[("model", "m")])).is_err());
    assert!(Template::parse("t", "{% set x = model %}{{ x }}{{ range(2)|length }}").is_ok());
}

#[test]
fn render_errors_do_not_quote_the_request() {
    let template = Template::parse("t", "{% if system == 'secret' %}{{ system|int }}{% endif %}").unwrap();
    let error = template.apply(&ChatRequest::to("m").system("secret"), "m").unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
}

/// A sum over parts measured one by one, so that a token may be lost or won where two texts meet.
#[test]
fn size_is_that_of_the_applied_template() {
    let image = Part::Image(hotspare_core::Media::Url("https://host/a.png".into()));
    let requests = [
        ChatRequest::to("m").user("hi"),
        ChatRequest::to("m").assistant("d"),
        ChatRequest::to("m")
            .system("Be brief.")
            .system("And kind.")
            .user("first")
            .assistant("a")
            .user("last"),
        ChatRequest::to("m")
            .message(Message::new(Role::System, vec![Part::Text("see".into()), image]))
            .user("x"),
    ];
    for role in [InstructionRole::System, InstructionRole::Developer, InstructionRole::User] {
        for text in ["{{ system }}", "", "Answer as {{ model }} does, in full sentences. {{ system }}"] {
            let template = Template::parse("t", text).unwrap().with_instruction_role(role);
            let longer = template.clone().with_example("How many are two and two?", "They are four.");
            let longer = longer.with_prefix("The question is: ").with_suffix(" Think before you answer.");
            for (template, request) in
                [&template, &longer].into_iter().flat_map(|t| requests.iter().map(move |r| (t, r)))
            {
                let size = template.size(request, "alpha", &chat_size(request));
                let sent = chat_size(&template.apply(request, "alpha").unwrap());
                assert_eq!(
                    size.amount(PromptPart::Message),
                    sent.amount(PromptPart::Message),
                    "{role:?} {text} {request:?}"
                );
                assert_eq!(size.amount(PromptPart::Image), sent.amount(PromptPart::Image));
                assert!(
                    size.is_opaque() == sent.is_opaque() && size.tokens().abs_diff(sent.tokens()) <= 12,
                    "{size:?} {sent:?}"
                );
            }
        }
    }
}
