//! `cargo xtask dashboard`: builds the page that the scheduler embeds.

use crate::command::{self, program, run, step};
use crate::options::Flags;
use crate::paths::Paths;
use crate::setup;
use crate::web::Toolchain;
use anyhow::{Context, Result, bail};
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Largest sizes, in bytes as they lie on disk. The page travels through SSH tunnels.
const SIZE_LIMITS: [(&str, u64); 3] = [("wasm", 900 << 10), ("js", 40 << 10), ("css", 21 << 10)];

/// The page's one inline script: it adds the last slash that the page's relative addresses need. The
/// policy of the scheduler and of this file name its hash.
const SLASH_SCRIPT: &str = "location.pathname.split('/').pop()&&!/\\.html$/.test(location.pathname)&&location.replace(location.pathname+'/'+location.search+location.hash)";

/// The sources of the page, below the root of the checkout.
const SOURCES: [&str; 10] = [
    "dashboard/src",
    "dashboard/Cargo.toml",
    "dashboard/Cargo.lock",
    "dashboard/Trunk.toml",
    "dashboard/index.html",
    "dashboard/icon.svg",
    "dashboard/style.css",
    "dashboard/charts.css",
    "observe",
    "shared",
];

/// Runs the command.
///
/// # Errors
/// If the page cannot be built, or is too large. With `--if-possible`, missing tools are not an
/// error.
pub(crate) fn run_command(args: &[String]) -> Result<()> {
    let flags = Flags::parse(args, &["--if-possible"])?;
    let paths = Paths::find()?;
    if flags.has("--if-possible") {
        return build_if_possible(&paths);
    }
    build_with(&paths, &setup::web(&paths)?)
}

/// Builds the page if its tools are installed or can be, and says why if not.
///
/// # Errors
/// If the tools are installed and the build fails.
pub(crate) fn build_if_possible(paths: &Paths) -> Result<()> {
    match setup::web(paths) {
        Ok(toolchain) => build_with(paths, &toolchain),
        Err(error) => {
            eprintln!("going on without the dashboard: {error:#}");
            Ok(())
        }
    }
}

/// Cargo, on the dashboard for this machine: to check and test it, not to run it.
pub(crate) fn host_cargo(paths: &Paths) -> Command {
    let mut command = program("cargo");
    command.current_dir(paths.dashboard()).env("CARGO_TARGET_DIR", paths.dashboard_target());
    command
}

/// Builds the page with installed tools, unless it is built and none of its sources changed.
///
/// # Errors
/// If the build fails or the page is too large.
pub(crate) fn build_with(paths: &Paths, toolchain: &Toolchain) -> Result<()> {
    step("dashboard", || {
        let dist = paths.dist();
        let stamp_path = dist.with_extension("stamp");
        let stamp = fingerprint(paths, toolchain)?;
        let is_fresh = dist.join("index.html").is_file()
            && fs::read_to_string(&stamp_path).is_ok_and(|present| present == stamp);
        if !is_fresh {
            let _ = fs::remove_file(&stamp_path);
            let staged = trunk(paths, toolchain, "new", &[])?;
            move_script_out(&staged)?;
            add_report(paths, toolchain, &staged)?;
            replace(&staged, &dist)?;
            fs::write(&stamp_path, stamp)?;
        }
        check_sizes(&dist)
    })
}

/// What the page is made of, in one number. It notices changes; it withstands no attacker.
fn fingerprint(paths: &Paths, toolchain: &Toolchain) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    hasher.write(toolchain.identity.as_bytes());
    hasher.write(env!("CARGO_PKG_VERSION").as_bytes());
    for source in SOURCES {
        hash_tree(&paths.root, Path::new(source), &mut hasher)?;
    }
    // The shared crate takes its versions from the workspace.
    hash_tree(&paths.root, Path::new("Cargo.toml"), &mut hasher)?;
    Ok(format!("{:016x}\n", hasher.finish()))
}

/// Where the checkout lies makes no difference: the names are those below its root.
fn hash_tree(root: &Path, name: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    let path = root.join(name);
    let context = || format!("could not read {}", path.display());
    hasher.write(name.as_os_str().as_encoded_bytes());
    if path.is_dir() {
        let mut entries: Vec<PathBuf> = fs::read_dir(&path)
            .with_context(context)?
            .map(|entry| entry.map(|entry| name.join(entry.file_name())))
            .collect::<std::io::Result<_>>()
            .with_context(context)?;
        entries.sort();
        return entries.iter().try_for_each(|entry| hash_tree(root, entry, hasher));
    }
    let content = fs::read(&path).with_context(context)?;
    hasher.write_usize(content.len());
    hasher.write(&content);
    Ok(())
}

/// Puts the page of reports below the page of schedulers. It is not served: the binary writes it
/// into reports, with the journal.
fn add_report(paths: &Paths, toolchain: &Toolchain, dist: &Path) -> Result<()> {
    let staged = trunk(paths, toolchain, "report", &["--features", "report"])?;
    let folder = dist.join("report");
    fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
    fs::rename(staged.join(only_file(&staged, ".js")?), folder.join("glue.js"))?;
    fs::rename(staged.join(only_file(&staged, "_bg.wasm")?), folder.join("page.wasm"))?;
    fs::remove_dir_all(&staged)?;
    Ok(())
}

/// Builds into a folder beside the final one, and gives it.
fn trunk(paths: &Paths, toolchain: &Toolchain, kind: &str, flags: &[&str]) -> Result<PathBuf> {
    // trunk works offline; what its cargo needs is fetched before.
    let fetch = || {
        let mut cargo = toolchain.command("cargo");
        cargo.current_dir(paths.dashboard()).args(["fetch", "--quiet", "--locked"]);
        run(&mut cargo)
    };
    fetch()?;
    let staged = paths.dist().with_extension(kind);
    if staged.exists() {
        fs::remove_dir_all(&staged)?;
    }
    fs::create_dir_all(&staged).with_context(|| format!("could not make {}", staged.display()))?;
    let mut trunk = toolchain.command("trunk");
    trunk
        .current_dir(paths.dashboard())
        .env("CARGO_TARGET_DIR", paths.web_target())
        .args(["build", "--release", "--locked", "--quiet"])
        .args(flags)
        .arg("--dist")
        .arg(&staged);
    run(&mut trunk)?;
    Ok(staged)
}

/// Puts what trunk wrote as an inline script into a file of its own: the page is served under a
/// policy that forbids inline scripts. Also makes the glue smaller.
fn move_script_out(dist: &Path) -> Result<()> {
    pad_hashes(dist)?;
    let glue = only_file(dist, ".js")?;
    let wasm = only_file(dist, "_bg.wasm")?;
    let glue_path = dist.join(&glue);
    let compact = compact_glue(&fs::read_to_string(&glue_path)?)?;
    fs::write(&glue_path, compact)?;

    let loader = loader(&glue, &wasm);
    let mut hasher = DefaultHasher::new();
    hasher.write(loader.as_bytes());
    let name = format!("start-{:016x}.js", hasher.finish());
    fs::write(dist.join(&name), loader)?;

    let index = dist.join("index.html");
    let page = fs::read_to_string(&index)
        .with_context(|| format!("could not read {}", index.display()))?;
    let page = with_slash_script(&with_external_script(&page, &name)?)?;
    check_policy(&page)?;
    fs::write(&index, page)?;
    Ok(())
}

/// Starts the page, or says in it why it cannot start.
fn loader(glue: &str, wasm: &str) -> String {
    format!(
        "try {{\n\
         if (typeof WebAssembly !== \"object\") throw new Error(\"this browser does not run WebAssembly\");\n\
         const page = await import(\"./{glue}\");\n\
         await page.default({{ module_or_path: new URL(\"./{wasm}\", import.meta.url) }});\n\
         }} catch (error) {{\n\
         const place = document.getElementById(\"start\");\n\
         if (place) {{ place.className = \"notice warning\"; place.setAttribute(\"role\", \"alert\");\n\
         place.textContent = \"The dashboard cannot start: \" + (error && error.message || error) + \
         \". Reload the page; if that does not help, use another browser, or partita status, \
         partita workers and partita jobs in a terminal.\"; }}\n\
         throw error;\n\
         }}\n"
    )
}

/// Gives the hash in each name all of its digits. trunk leaves leading zeros out, so that one name in
/// sixteen is shorter than those that look for a hash expect.
fn pad_hashes(dist: &Path) -> Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dist)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    for name in &names {
        let padded = padded(name);
        if padded == *name {
            continue;
        }
        fs::rename(dist.join(name), dist.join(&padded))?;
        for page in names.iter().filter(|page| page.ends_with(".html")) {
            let page = dist.join(page);
            fs::write(&page, fs::read_to_string(&page)?.replace(name.as_str(), &padded))?;
        }
    }
    Ok(())
}

/// `NAME-HASH.EXTENSION` or `NAME-HASH_bg.wasm` with a hash of sixteen digits.
fn padded(name: &str) -> String {
    const DIGITS: usize = 16;
    let Some((before, rest)) = name.rsplit_once('-') else { return name.to_string() };
    let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
    if end == 0 || end >= DIGITS {
        return name.to_string();
    }
    let (hash, after) = rest.split_at(end);
    format!("{before}-{hash:0>DIGITS$}{after}")
}

/// Functions and variables that only the glue uses.
const GLUE_NAMES: [&str; 14] = [
    "getStringFromWasm0",
    "getDataViewMemory0",
    "handleError",
    "addToExternrefTable0",
    "takeFromExternrefTable0",
    "WASM_VECTOR_LEN",
    "passStringToWasm0",
    "isLikeNone",
    "cachedDataViewMemory0",
    "cachedUint8ArrayMemory0",
    "getUint8ArrayMemory0",
    "getArrayU8FromWasm0",
    "cachedTextEncoder",
    "cachedTextDecoder",
];

/// Spaces that JavaScript does not need. A text of the glue loses them too, which harms none: they
/// are messages of errors.
const GLUE_SPACES: [(&str, &str); 8] = [
    (" = ", "="),
    (" === ", "==="),
    (", ", ","),
    (") {", "){"),
    (": function(", ":function("),
    (" ? ", "?"),
    (" : ", ":"),
    (" + ", "+"),
];

/// The glue without indentation, empty lines and spaces, and with short names for its own things.
fn compact_glue(glue: &str) -> Result<String> {
    if glue.contains('$') && glue.contains("$0") {
        bail!("the glue has names of the kind that its own would be shortened to");
    }
    let lines: Vec<&str> =
        glue.lines().map(str::trim_start).filter(|line| !line.is_empty()).collect();
    let mut glue = lines.join("\n");
    for (at, name) in GLUE_NAMES.iter().enumerate() {
        glue = replace_word(&glue, name, &format!("$${at}"));
    }
    for (from, to) in GLUE_SPACES {
        glue = glue.replace(from, to);
    }
    Ok(glue)
}

/// Replaces a name where it stands alone, not as a part of another.
fn replace_word(text: &str, word: &str, by: &str) -> String {
    let is_name = |character: char| character.is_alphanumeric() || matches!(character, '_' | '$');
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, found) = rest.split_at(at);
        let after = &found[word.len()..];
        let is_part = before.ends_with(is_name) || after.starts_with(is_name);
        result.push_str(before);
        result.push_str(if is_part { word } else { by });
        rest = after;
    }
    result.push_str(rest);
    result
}

fn only_file(folder: &Path, ending: &str) -> Result<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(ending) {
            found.push(name);
        }
    }
    match <[String; 1]>::try_from(found) {
        Ok([name]) => Ok(name),
        Err(found) => bail!("trunk made {} files ending in {ending}, not one", found.len()),
    }
}

/// The page with `name` in the place of the inline script that starts it.
fn with_external_script(page: &str, name: &str) -> Result<String> {
    const END: &str = "</script>";
    let marker = page.find("import init").context("trunk wrote no script into the page")?;
    let start = page[..marker].rfind("<script").context("trunk's script has no beginning")?;
    let end = page[marker..].find(END).context("trunk's script has no end")? + marker + END.len();
    let script = format!("<script type=\"module\" src=\"./{name}\"></script>");
    Ok(format!("{}{script}{}", &page[..start], &page[end..]))
}

/// The page with the script that adds the last slash, before anything that it loads.
fn with_slash_script(page: &str) -> Result<String> {
    let at = page.find("<link").context("the page links nothing")?;
    Ok(format!("{}<script>{SLASH_SCRIPT}</script>{}", &page[..at], &page[at..]))
}

/// Refuses what the policy `default-src 'self'` would block in the browser.
fn check_policy(page: &str) -> Result<()> {
    let inline = page
        .replacen(&format!("<script>{SLASH_SCRIPT}</script>"), "", 1)
        .split("<script")
        .skip(1)
        .any(|tag| tag.split('>').next().is_none_or(|attributes| !attributes.contains("src=")));
    if inline {
        bail!("the page still has an inline script");
    }
    let forbidden = ["<style", " style=", " onload=", " onclick=", "http://", "https://", "{{__"];
    if let Some(found) = forbidden.iter().find(|text| page.contains(**text)) {
        bail!("the page has `{found}` in it, which its policy forbids");
    }
    Ok(())
}

/// Puts the new folder in the place of the old one.
fn replace(staged: &Path, dist: &Path) -> Result<()> {
    let old = dist.with_extension("old");
    if old.exists() {
        fs::remove_dir_all(&old)?;
    }
    if dist.exists() {
        fs::rename(dist, &old)?;
    }
    fs::rename(staged, dist).with_context(|| format!("could not make {}", dist.display()))?;
    if old.exists() {
        fs::remove_dir_all(&old)?;
    }
    Ok(())
}

fn check_sizes(dist: &Path) -> Result<()> {
    let mut sizes = SIZE_LIMITS.map(|(kind, limit)| (kind, limit, 0));
    for entry in fs::read_dir(dist)? {
        let entry = entry?;
        let extension = entry.path().extension().map(|text| text.to_string_lossy().into_owned());
        for (kind, _, size) in &mut sizes {
            if extension.as_deref() == Some(*kind) {
                *size += entry.metadata()?.len();
            }
        }
    }
    let shown: Vec<String> = sizes
        .iter()
        .map(|(kind, limit, size)| format!("{kind} {:.1} of {} KiB", kib(*size), limit >> 10))
        .collect();
    println!("           {}", shown.join(", "));
    for (kind, limit, size) in sizes {
        if size > limit {
            bail!("the page's {kind} is too large: {size} bytes, {limit} at most");
        }
        if size == 0 {
            bail!("the page has no {kind}");
        }
    }
    Ok(())
}

fn kib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}

/// Lints the page, and the page of reports, with their builds for this machine.
///
/// # Errors
/// If there is something to mend.
pub(crate) fn lint(paths: &Paths) -> Result<()> {
    for features in ["", "report"] {
        let mut clippy = host_cargo(paths);
        clippy.args(["clippy", "--all-targets", "--locked", "--features", features]);
        command::run(clippy.args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<head><link href=a.css><script type=\"module\">\nimport init, * as b from \
                        './x.js';\n</script>\n<link rel=\"modulepreload\"></head>";

    /// The inline script goes, and what stands around it stays.
    #[test]
    fn the_inline_script_becomes_a_file() {
        let page = with_external_script(PAGE, "start-1.js").unwrap();
        assert_eq!(
            page,
            "<head><link href=a.css><script type=\"module\" src=\"./start-1.js\"></script>\n\
             <link rel=\"modulepreload\"></head>"
        );
        check_policy(&page).unwrap();
    }

    /// The one inline script stands before all that the page loads, and another is refused.
    #[test]
    fn only_the_slash_script_is_inline() {
        let page = with_external_script(PAGE, "start-1.js").unwrap();
        let page = with_slash_script(&page).unwrap();
        assert!(page.find("<script>").unwrap() < page.find("<link").unwrap());
        check_policy(&page).unwrap();
        check_policy(&page.replace("<script>", "<script>1;")).unwrap_err();
    }

    /// A page that cannot start says why in the element that stands there from the beginning.
    #[test]
    fn a_failed_start_is_said() {
        let loader = loader("a.js", "a.wasm");
        assert!(loader.contains("getElementById(\"start\")") && loader.contains("./a.wasm"));
        let index = include_str!("../../dashboard/index.html");
        assert!(index.contains("id=\"start\""));
    }

    /// Names that stand alone are shortened, parts of others and foreign things are not.
    #[test]
    fn the_glue_is_made_smaller() {
        let glue = "  function isLikeNone(x) {\n\n    return x === undefined;\n}\nx.isLikeNoneX = 1;\n\
                    const a = isLikeNone(b) ? 0 : c;";
        assert_eq!(
            compact_glue(glue).unwrap(),
            "function $$7(x){\nreturn x===undefined;\n}\nx.isLikeNoneX=1;\nconst a=$$7(b)?0:c;"
        );
    }

    /// A hash that lost its leading zeros gets them back, and every other name stays.
    #[test]
    fn hashes_have_all_their_digits() {
        assert_eq!(padded("dashboard-658ca4e2830d8b5.js"), "dashboard-0658ca4e2830d8b5.js");
        assert_eq!(padded("dashboard-8ca4e_bg.wasm"), "dashboard-000000000008ca4e_bg.wasm");
        for whole in ["icon-8a936b89a4eeaadd.svg", "index.html", "start-x.js"] {
            assert_eq!(padded(whole), whole);
        }
    }

    /// What the policy would block in a browser is an error of the build.
    #[test]
    fn a_page_against_the_policy_is_refused() {
        assert!(check_policy(PAGE).is_err());
        assert!(check_policy("<p style=\"color: red\">").is_err());
        assert!(check_policy("<link href=\"https://example.org/a.css\">").is_err());
        assert!(with_external_script("<head></head>", "start-1.js").is_err());
    }
}
