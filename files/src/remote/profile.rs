//! Credentials in the files of the AWS command line, `~/.aws/credentials` and `~/.aws/config`.
//!
//! The format: <https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-files.html>.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The settings of the profile that the environment names, or of `default`.
pub(super) fn settings() -> BTreeMap<String, String> {
    let profile = std::env::var("AWS_PROFILE").unwrap_or_else(|_| "default".to_owned());
    let mut found = section(&read("AWS_CONFIG_FILE", "config"), &profile, true);
    found.extend(section(&read("AWS_SHARED_CREDENTIALS_FILE", "credentials"), &profile, false));
    found
}

fn read(variable: &str, name: &str) -> String {
    let path = std::env::var_os(variable)
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".aws").join(name)));
    let Some(path) = path else { return String::new() };
    let is_small = std::fs::metadata(&path).is_ok_and(|found| found.len() <= FILE_BYTES_MAX);
    // Most users have none.
    if is_small { std::fs::read_to_string(path).unwrap_or_default() } else { String::new() }
}

/// The settings of one section. In the file of settings, unlike that of credentials, all sections but `default` are
/// called `profile NAME`.
fn section(text: &str, profile: &str, is_config: bool) -> BTreeMap<String, String> {
    let wanted = match is_config && profile != "default" {
        true => format!("profile {profile}"),
        false => profile.to_owned(),
    };
    let (mut is_inside, mut found) = (false, BTreeMap::new());
    for line in text.lines() {
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            is_inside = name.split_whitespace().collect::<Vec<_>>().join(" ") == wanted;
        } else if is_inside
            && !is_nested
            && !line.starts_with(['#', ';'])
            && let Some((key, value)) = line.split_once('=')
        {
            found.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings of one profile are read, without those of others and of nested settings.
    #[test]
    fn sections_are_told_apart() {
        let text = "[default]\naws_access_key_id = A\n\n[other]\n# x\naws_access_key_id=B\ns3 =\n  max = 3\nregion = r\n";
        let found = section(text, "other", false);
        assert_eq!(found.get("aws_access_key_id").map(String::as_str), Some("B"));
        assert_eq!(found.get("region").map(String::as_str), Some("r"));
        assert_eq!(found.get("max"), None);
        assert_eq!(section("[profile p]\nregion = r", "p", true).len(), 1);
        assert_eq!(section("[profile p]\nregion = r", "p", false).len(), 0);
    }
}
