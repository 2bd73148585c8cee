//! What the page asks of the REST API: to cancel a job or retire a worker. Everything else comes over the link.

use crate::browser;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, RequestInit, Response};

/// Characters of a refusal that are shown.
const REFUSAL_CHARS_MAX: usize = 300;

/// Asks for an action, by its path below the API's.
///
/// # Errors
/// With a sentence for the user, if the scheduler refused or was not reached.
pub async fn act(path: &str, token: &str) -> Result<(), String> {
    let lost = |_: JsValue| "The scheduler was not reached. Nothing was changed.".to_string();
    let response = post(&format!("api/v2/{path}"), token).await.map_err(lost)?;
    if response.ok() {
        return Ok(());
    }
    let text = match response.text() {
        Ok(text) => JsFuture::from(text).await.ok().and_then(|text| text.as_string()),
        Err(_) => None,
    };
    Err(refusal(response.status(), text.as_deref().unwrap_or_default()))
}

/// Whether the scheduler answers an ordinary request.
pub async fn is_answering() -> bool {
    let answer = async {
        let window = browser::window()?;
        let folder = browser::base_folder()?;
        let address = format!("{folder}healthz");
        let response: Response =
            JsFuture::from(window.fetch_with_str(&address)).await.ok()?.unchecked_into();
        Some(response.ok())
    };
    answer.await.unwrap_or(false)
}

/// The token for a ticket, if it is valid.
pub async fn redeem(ticket: String) -> Option<String> {
    let response = post("page/token", &ticket).await.ok().filter(Response::ok)?;
    JsFuture::from(response.text().ok()?).await.ok()?.as_string()
}

async fn post(path: &str, token: &str) -> Result<Response, JsValue> {
    let window = browser::window().ok_or(JsValue::NULL)?;
    let folder = browser::base_folder().ok_or(JsValue::NULL)?;
    let headers = Headers::new()?;
    headers.set("Authorization", &format!("Bearer {token}"))?;
    let options = RequestInit::new();
    options.set_method("POST");
    options.set_headers(&headers);
    let response =
        JsFuture::from(window.fetch_with_str_and_init(&format!("{folder}{path}"), &options))
            .await?;
    Ok(response.unchecked_into())
}

/// The sentence in a refusal, which is `{"error":"…"}` or plain text. A whole JSON reader would
/// cost more than this one sentence is worth.
fn refusal(status: u16, body: &str) -> String {
    let said = body
        .split_once("\"error\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or(body.trim(), |(_, rest)| rest.split("\"}").next().unwrap_or(rest));
    let said: String = said.replace("\\\"", "\"").chars().take(REFUSAL_CHARS_MAX).collect();
    if said.is_empty() { format!("The scheduler refused (status {status}).") } else { said }
}

#[cfg(test)]
mod tests {
    use super::refusal;

    /// The scheduler's own sentence is shown, in whichever form it comes.
    #[test]
    fn the_schedulers_words_are_shown() {
        assert_eq!(refusal(409, "{\"error\":\"job-1 has ended\"}"), "job-1 has ended");
        assert_eq!(refusal(409, "{\"error\": \"no \\\"x\\\"\"}\n"), "no \"x\"");
        assert_eq!(refusal(403, "not from this page\n"), "not from this page");
        assert_eq!(refusal(502, ""), "The scheduler refused (status 502).");
    }
}
