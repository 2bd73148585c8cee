//! `partita report`: a journal and the page that shows it, in one file that needs no network.
//!
//! The page's parts and the journal lie in the file as base64 of gzip; a few lines of script unpack
//! them with what browsers have for that, and start the page with the journal in its hands.

use crate::error::SchedulerError;
use crate::observer::Entries;
use crate::web::assets;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// Unpacks the parts and starts the page. `partitaReport` is what the page looks for.
const START: &str = r#"
const part = (id) => document.getElementById(id).textContent.trim();
const unpack = async (id) => {
  const packed = Uint8Array.from(atob(part(id)), (char) => char.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};
const glue = URL.createObjectURL(new Blob([await unpack("glue")], { type: "text/javascript" }));
globalThis.partitaReport = await unpack("journal");
const { default: start } = await import(glue);
await start({ module_or_path: await unpack("wasm") });
"#;

/// How good the estimates of the time left were for the jobs of a journal, in a line.
pub fn estimates(entries: &Entries) -> String {
    partita_observe::calibration::measure(entries.seen.iter().cloned()).to_string()
}

/// The report of a journal: a page of HTML.
///
/// # Errors
/// If this program was built without the dashboard, or the journal cannot be encoded.
pub fn report(entries: &Entries) -> Result<String, SchedulerError> {
    let failed = |error: String| SchedulerError::System {
        what: "cannot write the report".to_string(),
        source: std::io::Error::other(error),
    };
    let there = |asset: Option<&'static [u8]>| {
        asset.ok_or_else(|| {
            failed(
                "this program was built without the dashboard; run `cargo xtask dashboard`, then build again"
                    .to_string(),
            )
        })
    };
    let styles = assets::all(".css").map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n");
    let journal = partita_observe::report::encode(&entries.seen)
        .map_err(|error| failed(error.to_string()))?;
    let parts = [
        ("glue", pack(there(assets::report_part("glue.js"))?)?),
        ("wasm", pack(there(assets::report_part("page.wasm"))?)?),
        ("journal", pack(&journal)?),
    ];
    let parts = parts.map(|(id, text)| {
        format!("<script type=\"application/octet-stream\" id=\"{id}\">{text}</script>\n")
    });
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Partita report</title>\n\
         <style>\n{styles}\n</style>\n</head>\n<body>\n\
         <noscript>This report needs JavaScript and WebAssembly.</noscript>\n{}\
         <script type=\"module\">{START}</script>\n</body>\n</html>\n",
        parts.concat()
    ))
}

fn pack(bytes: &[u8]) -> Result<String, SchedulerError> {
    let packed = || {
        let mut out = GzEncoder::new(Vec::new(), Compression::best());
        out.write_all(bytes)?;
        out.finish()
    };
    let packed = packed().map_err(|source| SchedulerError::System {
        what: "cannot write the report".to_string(),
        source,
    })?;
    Ok(STANDARD.encode(packed))
}

#[cfg(test)]
mod tests {
    use crate::observer::read_journal;
    use partita_observe::calibration::measure;
    use std::path::Path;

    /// In a journal of real queries, most of which are one wave of tasks after the other, there is an estimate at most moments,
    /// and what came lies in its range in four of five of them.
    #[test]
    fn estimates_in_a_stored_journal_are_good() {
        let stored =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/journals/queries.journal");
        let entries = read_journal(&stored).expect("a journal");
        assert_eq!(entries.passed_over, 0);
        let sum = measure(entries.seen);
        assert!(sum.jobs >= 12 && sum.known * 100 >= sum.samples * 75, "{sum}");
        assert!(sum.inside_percent() >= 80, "{sum}");
    }
}
