//! docs/decisions/README.md: the titles of all decisions, in order.
//!
//! Invariant: every page is listed by its own title, and its number is that of its file.

use std::path::Path;

/// The whole document, or an error with the page that has no title.
pub(crate) fn document(root: &Path) -> Result<String, String> {
    let mut out = String::from(
        "# Decisions\n\nChanges to an invariant, a default or a bound, each with its reasons and figures. Written by `cargo xtask docs` from the\n\
         titles of the pages.\n\n",
    );
    let folder = root.join("docs/decisions");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(|error| error.to_string())? {
        names.push(entry.map_err(|error| error.to_string())?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| name.ends_with(".md") && name != "README.md");
    names.sort();
    for name in names {
        let text = std::fs::read_to_string(folder.join(&name)).map_err(|error| error.to_string())?;
        let title = text.lines().next().and_then(|line| line.strip_prefix("# ")?.split_once(". "));
        let numbers = title.map(|(number, _)| number.parse::<u32>().ok());
        let of_file = name.split('-').next().map(|number| number.parse::<u32>().ok());
        let (Some((number, title)), true) = (title, numbers == of_file) else {
            return Err(format!(
                "{name}: its first line must be `# NUMBER. TITLE`, with the number of the file"
            ));
        };
        out.push_str(&format!("- [{number}]({name}): {title}\n"));
    }
    Ok(out)
}
