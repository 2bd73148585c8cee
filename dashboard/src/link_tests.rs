//! Tests of the page's end of the link.
