//! docs/decisions/README.md: the titles of all decisions, by topic.
//!
//! Invariant: every page is listed once, by its own title, and its number is that of its file.

use std::collections::BTreeMap;
use std::path::Path;

/// The numbers of the pages on each topic.
const TOPICS: [(&str, &[u32]); 6] = [
    ("Health and breakers", &[4, 6, 10, 13, 16, 18, 19, 27, 31, 38, 39, 44]),
    ("Limits, late answers and cuts", &[1, 5, 24, 29, 30, 34, 36, 41, 42]),
    ("Pauses, quotas and retries", &[3, 17, 20, 21, 22, 23, 26, 32]),
    ("Errors", &[33, 35, 40, 43]),
    ("Wires and connections", &[2, 7, 8, 9, 14, 15, 28, 37, 45]),
    ("Strategies and simulations", &[11, 12, 25]),
];

/// The whole document, or an error with the page that has no title or no topic.
pub(crate) fn document(root: &Path) -> Result<String, String> {
    let mut out = String::from(
        "# Decisions\n\nChanges to an invariant, a default or a bound, each with its reasons and figures. Written by `cargo xtask docs` from the\n\
         titles of the pages.\n",
    );
    let mut pages = pages(&root.join("docs/decisions"))?;
    for (topic, numbers) in TOPICS {
        out.push_str(&format!("\n## {topic}\n\n"));
        for number in numbers {
            let line = pages.remove(number);
            out.push_str(&line.ok_or_else(|| format!("TOPICS names {number} twice, or it has no page"))?);
        }
    }
    match pages.keys().next() {
        Some(number) => Err(format!("decision {number} has no topic: add it to TOPICS in {}", file!())),
        None => Ok(out),
    }
}

/// The line for each page, by its number.
fn pages(folder: &Path) -> Result<BTreeMap<u32, String>, String> {
    let mut pages = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with(".md") || name == "README.md" {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let title = text.lines().next().and_then(|line| line.strip_prefix("# ")?.split_once(". "));
        let title = title.and_then(|(number, title)| Some((number.parse().ok()?, title)));
        let of_file = name.split('-').next().and_then(|number| number.parse::<u32>().ok());
        match title {
            Some((number, title)) if Some(number) == of_file => {
                let line = format!("- [{number}]({name}): {title}\n");
                if pages.insert(number, line).is_some() {
                    return Err(format!("{name}: another page has this number; take the next free one"));
                }
            }
            _ => {
                return Err(format!(
                    "{name}: its first line must be `# NUMBER. TITLE`, with the number of the file"
                ));
            }
        }
    }
    Ok(pages)
}
