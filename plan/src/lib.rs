//! Plan fragments: how a DataFusion plan is cut, named and sent
