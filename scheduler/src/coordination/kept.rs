//! Values that are kept by name, metadata, and topics.

use crate::coordination::message::{Kept, KeptAct, MetadataAct};
use crate::coordination::{Answer, Failure, Value, one, said};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// Messages of one topic that are kept.
const TOPIC_MESSAGES_MAX: usize = 1_000;

/// Values by name, each with the stream of the client that put it, as long as that lasts.
#[derive(Debug, Default)]
pub(super) struct Values(BTreeMap<String, (Value, Option<u64>)>);

impl Values {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The stream of a client has ended. The client may come again, or have crashed.
    pub(super) fn leave(&mut self, stream: u64) {
        self.0.values_mut().for_each(|(_, by)| *by = by.filter(|by| *by != stream));
    }

    /// Takes out the values of clients that have not come again.
    pub(super) fn take_orphans(&mut self) -> Vec<Value> {
        let gone = self.0.extract_if(.., |_, (_, by)| by.is_none());
        gone.map(|(_, (value, _))| value).collect()
    }

    /// Does what a client asks for on its stream. Gives the answer, and the value that is not kept any more.
    pub(super) fn act(
        &mut self,
        what: &Kept,
        value: Value,
        stream: u64,
    ) -> (Answer, Option<Value>) {
        let name = &what.name;
        let is_known = self.0.contains_key(name);
        let failed = |kind, text: String| Answer::Failed(kind, text);
        match what.act {
            KeptAct::Put if is_known && !what.replaces => {
                let text = format!("{name} exists; use override=True to replace it");
                (failed(Failure::Exists, text), Some(value))
            }
            KeptAct::Put => {
                let replaced = self.0.insert(name.clone(), (value, Some(stream)));
                (said(true), replaced.map(|(value, _)| value))
            }
            KeptAct::Get => match self.0.get(name) {
                Some((value, _)) => (one(value.clone()), None),
                None => (failed(Failure::Gone, format!("{name} does not exist")), None),
            },
            KeptAct::Delete => (said(is_known), self.0.remove(name).map(|(value, _)| value)),
            KeptAct::List => (said(self.0.keys().cloned().collect::<Vec<_>>()), None),
        }
    }
}

/// Metadata: values by a path of names.
#[derive(Debug, Default)]
pub(super) struct Metadata(BTreeMap<Vec<String>, Value>);

impl Metadata {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Does what a client asks for. Gives the answer, and the values that are not kept any more.
    pub(super) fn act(
        &mut self,
        act: MetadataAct,
        keys: &[String],
        value: Value,
    ) -> (Answer, Vec<Value>) {
        match act {
            MetadataAct::Set => {
                // A value takes the place of what lies below it, and of one that lies above.
                let replaced =
                    |path: &Vec<String>| path.starts_with(keys) || keys.starts_with(path);
                let gone = self.0.extract_if(.., |path, _| replaced(path)).map(|(_, value)| value);
                let gone = gone.collect();
                self.0.insert(keys.to_vec(), value);
                (said(true), gone)
            }
            MetadataAct::Get => {
                let below = self.0.iter().filter(|(path, _)| path.starts_with(keys));
                let found: Vec<_> = below
                    .map(|(path, value)| {
                        let rest = &path[keys.len()..];
                        (value.clone(), serde_json::json!({"keys": rest}))
                    })
                    .collect();
                if found.is_empty() {
                    let text = format!("there is no metadata at {}", keys.join("/"));
                    return (Answer::Failed(Failure::Gone, text), Vec::new());
                }
                (Answer::Values(found), Vec::new())
            }
        }
    }
}

/// Topics: messages that clients follow.
#[derive(Debug, Default)]
pub(super) struct Topics(HashMap<String, Topic>);

#[derive(Debug, Default)]
struct Topic {
    /// The latest messages, with their time in seconds since the epoch.
    messages: VecDeque<(f64, Bytes)>,
    followers: BTreeSet<u64>,
}

impl Topics {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Adds a message. Gives the streams that follow the topic, and the bytes of the message that is not kept any more.
    pub(super) fn log(&mut self, name: &str, time: f64, body: &Bytes) -> (Vec<u64>, usize) {
        let topic = self.0.entry(name.to_string()).or_default();
        let is_full = topic.messages.len() >= TOPIC_MESSAGES_MAX;
        let dropped = is_full.then(|| topic.messages.pop_front()).flatten();
        topic.messages.push_back((time, body.clone()));
        let bytes = dropped.map_or(0, |(_, body)| body.len());
        (topic.followers.iter().copied().collect(), bytes)
    }

    /// The messages of a topic, or of all, in the order of their times.
    pub(super) fn messages(&self, name: Option<&str>) -> Answer {
        let topics = self.0.iter().filter(|(topic, _)| name.is_none_or(|name| name == *topic));
        let mut found: Vec<_> = topics
            .flat_map(|(name, topic)| topic.messages.iter().map(move |entry| (name, entry)))
            .collect();
        found.sort_by(|a, b| a.1.0.total_cmp(&b.1.0));
        let value = |body: &Bytes| Value { body: body.clone(), futures: Vec::new() };
        let about = |name: &String, time: f64| serde_json::json!({"topic": name, "time": time});
        let answer =
            found.into_iter().map(|(name, (time, body))| (value(body), about(name, *time)));
        Answer::Values(answer.collect())
    }

    /// A client follows a topic, or does not any more.
    pub(super) fn follow(&mut self, name: &str, stream: u64, follows: bool) {
        let topic = self.0.entry(name.to_string()).or_default();
        match follows {
            true => topic.followers.insert(stream),
            false => topic.followers.remove(&stream),
        };
        if topic.is_unused() {
            self.0.remove(name);
        }
    }

    /// A client has gone.
    pub(super) fn leave(&mut self, stream: u64) {
        self.0.retain(|_, topic| {
            topic.followers.remove(&stream);
            !topic.is_unused()
        });
    }
}

impl Topic {
    /// Whether nobody follows it and it has no message.
    fn is_unused(&self) -> bool {
        self.followers.is_empty() && self.messages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(byte: u8) -> Value {
        Value { body: vec![byte].into(), futures: Vec::new() }
    }

    fn path(keys: &[&str]) -> Vec<String> {
        keys.iter().map(ToString::to_string).collect()
    }

    /// Values of clients that have gone can be taken out.
    #[test]
    fn values_outlast_their_client_until_they_are_taken_out() {
        let mut values = Values::default();
        let what = |act, name: &str| Kept { act, name: name.to_string(), replaces: true };
        let mut put =
            |name: &str, byte, stream| values.act(&what(KeptAct::Put, name), value(byte), stream).1;
        assert_eq!((put("a", 1, 1), put("b", 2, 1), put("c", 3, 2)), (None, None, None));
        assert_eq!(put("b", 4, 2), Some(value(2)));
        assert_eq!(values.take_orphans(), []);
        values.leave(1);
        assert_eq!(values.act(&what(KeptAct::Get, "a"), value(0), 2).0, one(value(1)));
        assert_eq!(values.take_orphans(), [value(1)]);
        assert_eq!(values.act(&what(KeptAct::Get, "b"), value(0), 1).0, one(value(4)));
        assert_eq!(values.count(), 2);
    }

    /// A value of metadata takes the place of what lies below it and above it, and a path gives all that lies below.
    #[test]
    fn metadata_is_a_tree() {
        let mut metadata = Metadata::default();
        let mut set =
            |keys: &[&str], byte| metadata.act(MetadataAct::Set, &path(keys), value(byte)).1;
        assert_eq!(set(&["a", "b"], 1), []);
        assert_eq!(set(&["a", "c"], 2), []);
        assert_eq!(set(&["ab"], 3), []);
        let mut get = |keys: &[&str]| metadata.act(MetadataAct::Get, &path(keys), value(0)).0;
        let Answer::Values(found) = get(&["a"]) else { panic!() };
        let below = serde_json::json!({"keys": ["c"]});
        assert_eq!((found.len(), &found[1]), (2, &(value(2), below)));
        assert!(matches!(get(&["a", "d"]), Answer::Failed(Failure::Gone, _)));
        let gone = metadata.act(MetadataAct::Set, &path(&["a"]), value(4)).1;
        assert_eq!(gone, [value(1), value(2)]);
        let gone = metadata.act(MetadataAct::Set, &path(&["a", "x", "y"]), value(5)).1;
        assert_eq!(gone, [value(4)]);
    }

    /// A topic keeps its latest messages, tells who follows it, and is forgotten when it has neither.
    #[test]
    fn topics_are_bounded() {
        let mut topics = Topics::default();
        topics.follow("t", 3, true);
        for _ in 0..TOPIC_MESSAGES_MAX {
            assert_eq!(topics.log("t", 1.0, &"ab".into()), (vec![3], 0));
        }
        assert_eq!(topics.log("t", 2.0, &"ab".into()), (vec![3], 2));
        topics.follow("u", 3, true);
        topics.leave(3);
        assert_eq!(topics.count(), 1);
        let Answer::Values(found) = topics.messages(None) else { panic!() };
        assert_eq!(found.len(), TOPIC_MESSAGES_MAX);
        assert_eq!(found.last().unwrap().1, serde_json::json!({"topic": "t", "time": 2.0}));
    }
}
