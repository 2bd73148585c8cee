//! A cluster inside the test's process, over real sockets on loopback.
