//! docs/reference/guard-rules.md, from the table of rules.

use clearwell_generate::guard::{Rule, Severities};

use super::Reference;

#[test]
fn guard_rules() {
    let mut page = Reference::new(
        "Rules of the publish guard",
        "The guard runs before every publication: in `build`, `publish` and `retract`. A refusal stops the command with exit \
         code 5, and nothing is published; a warning is printed. `--allow RULE` overrules a refusal of the rules that the table \
         marks; the release record and the command say so. Each finding names its object and its remedy.\n\n\
         The sections below say for each rule what it finds, the harm to endpoints, the remedy, and the source in the \
         [specification](../spec/README.md).",
    );
    page.table(
        ["Rule", "Severity", "`--allow`", "Finds"],
        Rule::ALL.iter().map(|rule| {
            let facts = rule.facts();
            let allow = if rule.allowable() { "yes" } else { "no" };
            [
                format!("[`{rule}`](#{rule})"),
                severity(facts.severities).to_owned(),
                allow.to_owned(),
                facts.finds.to_owned(),
            ]
        }),
    );
    for rule in Rule::ALL {
        let facts = rule.facts();
        page.heading(2, rule.name());
        page.paragraph(facts.finds);
        let allow = match facts.allow {
            "" => "Cannot be overruled.".to_owned(),
            when => format!("`--allow {rule}` is justified if: {}{}", when[..1].to_lowercase(), &when[1..]),
        };
        page.paragraph(&format!(
            "- **Harm:** {}\n- **Remedy:** {}\n- **Severity:** {}. {allow}\n- **Source:** {}.",
            facts.harm,
            facts.remedy,
            severity(facts.severities),
            linked(facts.source),
        ));
    }
    page.assert_is("guard-rules.md");
}

const fn severity(severities: Severities) -> &'static str {
    match severities {
        Severities::Refusal => "refusal",
        Severities::Warning => "warning",
        Severities::Both => "refusal or warning",
    }
}

/// A citation with links to the pages of the specification.
fn linked(source: &str) -> String {
    let mut text = source.to_owned();
    for page in ["client behaviour", "content layout", "glossary", "hash", "manifest", "must-keep", "packs"] {
        let link = format!("[{page}](../spec/{}.md)", page.replace(' ', "-"));
        text = text.replace(page, &link);
    }
    text
}
