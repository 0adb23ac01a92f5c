//! AWS's own files: keys and regions by profile.
//!
//! Reads static keys only: no roles, no SSO, no credential processes; for those, use
//! [`Key::from_credentials`](crate::Key::from_credentials). Invariant: messages name files and profiles, never a value.

use std::path::PathBuf;

use hotspare_provider::Secret;

use super::joined;
use crate::key::read_small;

/// Paths of the two files.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) credentials: Option<PathBuf>,
    pub(super) config: Option<PathBuf>,
}

impl Files {
    pub(super) fn from_env() -> Self {
        let file = |variable: &str, name: &str| {
            let given = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
            given.or_else(|| Some(std::env::home_dir()?.join(".aws").join(name)))
        };
        Self {
            credentials: file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
            config: file("AWS_CONFIG_FILE", "config"),
        }
    }

    /// The access key of a profile.
    pub(super) fn secret(&self, profile: &str) -> Result<Secret, String> {
        let mut known = false;
        for text in self.texts() {
            let Some(section) = section(&text, profile) else { continue };
            known = true;
            if let (Some(id), Some(key)) =
                (value(section, "aws_access_key_id"), value(section, "aws_secret_access_key"))
            {
                return Ok(joined(id, key, value(section, "aws_session_token")));
            }
        }
        let what = if known { "has no access key" } else { "does not exist" };
        let places: Vec<String> = [&self.credentials, &self.config]
            .into_iter()
            .flatten()
            .map(|path| path.display().to_string())
            .collect();
        Err(format!("the AWS profile `{profile}` {what} in {}", places.join(" or ")))
    }

    /// The region of a profile.
    pub(super) fn region(&self, profile: &str) -> Option<String> {
        self.texts().iter().find_map(|text| value(section(text, profile)?, "region").map(str::to_owned))
    }

    /// The contents of both files; a missing file is skipped.
    fn texts(&self) -> Vec<String> {
        [&self.credentials, &self.config]
            .into_iter()
            .flatten()
            .filter_map(|path| read_small(path).ok())
            .collect()
    }
}

/// The lines of a profile's section. The config file names it `[profile NAME]`, the credentials file `[NAME]`.
fn section<'a>(text: &'a str, profile: &str) -> Option<&'a str> {
    let header = |line: &str| {
        let name = line.trim().strip_prefix('[')?.split(']').next()?.trim();
        Some(name.strip_prefix("profile ").unwrap_or(name).trim() == profile)
    };
    let (mut start, mut at) = (None, 0);
    for line in text.split_inclusive('\n') {
        match (header(line), start) {
            (Some(_), Some(start)) => return text.get(start..at),
            (Some(true), None) => start = Some(at + line.len()),
            _ => {}
        }
        at += line.len();
    }
    text.get(start?..)
}

/// The value of a setting in a section. Indented lines belong to a nested setting.
fn value<'a>(section: &'a str, name: &str) -> Option<&'a str> {
    section.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        let fits = !line.starts_with([' ', '\t']) && key.trim().eq_ignore_ascii_case(name);
        // A comment starts at white space followed by `#` or `;`.
        let value = value.split(" #").next().and_then(|value| value.split(" ;").next()).unwrap_or_default();
        (fits && !value.trim().is_empty()).then_some(value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "\
# made by hand
[default]
aws_access_key_id = AKIDDEFAULT
aws_secret_access_key=wJalr/default+key== # the old one

[ work ]
aws_access_key_id = AKIDWORK
AWS_SECRET_ACCESS_KEY = work
s3 =
    region = nowhere
aws_session_token = tok/en==
";
    const CONFIG: &str =
        "[default]\nregion = us-west-2\n[profile work]\nregion=eu-central-1\n[profile role]\nrole_arn = x";

    fn files() -> (Files, PathBuf) {
        let folder = std::env::temp_dir().join(format!(
            "hotspare-aws-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("credentials"), CREDENTIALS).unwrap();
        std::fs::write(folder.join("config"), CONFIG).unwrap();
        let files =
            Files { credentials: Some(folder.join("credentials")), config: Some(folder.join("config")) };
        (files, folder)
    }

    #[test]
    fn reads_keys_and_regions_of_profiles() {
        let (files, folder) = files();
        assert_eq!(files.secret("default").unwrap().expose(), "AKIDDEFAULT:wJalr/default+key==");
        assert_eq!(files.secret("work").unwrap().expose(), "AKIDWORK:work:tok/en==");
        assert_eq!(files.region("default").as_deref(), Some("us-west-2"));
        assert_eq!(files.region("work").as_deref(), Some("eu-central-1"));
        assert_eq!(files.region("none"), None);
        for (profile, what) in [("role", "`role` has no access key"), ("none", "`none` does not exist")] {
            let message = files.secret(profile).unwrap_err();
            assert!(message.contains(what) && message.contains("credentials"), "{message}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn missing_files_give_errors_or_defaults() {
        let files = Files { credentials: Some("/nonexistent/a".into()), config: None };
        assert!(files.secret("default").unwrap_err().contains("/nonexistent/a"));
        assert_eq!(files.region("default"), None);
    }
}
