//! Descriptors that pass between the worker and its Python processes, over Unix sockets.

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// The byte that comes with a descriptor on a socket that has only descriptors.
const MARK: [u8; 1] = [0];

/// Sends bytes with descriptors. The bytes must be few: they are sent at once.
pub(super) async fn send_with(
    stream: &UnixStream,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let descriptors: Vec<_> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let send = || {
        let (slices, rights) = ([IoSlice::new(bytes)], [ControlMessage::ScmRights(&descriptors)]);
        let flags = MsgFlags::MSG_NOSIGNAL;
        Ok(sendmsg::<()>(stream.as_raw_fd(), &slices, &rights, flags, None)?)
    };
    match stream.async_io(Interest::WRITABLE, send).await? {
        sent if sent == bytes.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// Sends a descriptor on a socket that has only descriptors.
pub(super) async fn send(stream: &UnixStream, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    send_with(stream, &MARK, &[descriptor]).await
}

/// Says yes or no on a socket that has only descriptors, to a process that waits for the answer.
pub(super) async fn answer(stream: &UnixStream, is_yes: bool) -> io::Result<()> {
    send_with(stream, &[u8::from(is_yes)], &[]).await
}

/// Receives the next descriptor from a socket that has only descriptors.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] if the process at the other end has ended.
pub(super) async fn receive(stream: &UnixStream) -> io::Result<OwnedFd> {
    stream.async_io(Interest::READABLE, || receive_now(stream)).await
}

fn receive_now(stream: &UnixStream) -> io::Result<OwnedFd> {
    let mut mark = MARK;
    let mut space = nix::cmsg_space!([std::os::fd::RawFd; 1]);
    let mut slices = [IoSliceMut::new(&mut mark)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut slices, Some(&mut space), flags)?;
    if message.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let received = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmRights(descriptors) => descriptors.first().copied(),
        _ => None,
    });
    let Some(received) = received else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a byte without its descriptor"));
    };
    #[expect(
        unsafe_code,
        reason = "the kernel has just given it to this process, and to nobody else here"
    )]
    Ok(unsafe { OwnedFd::from_raw_fd(received) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsFd;

    /// Descriptors come in the order in which they were sent, and an end that is closed is told.
    #[tokio::test]
    async fn descriptors_pass() {
        let (near, far) = UnixStream::pair().unwrap();
        for text in ["one", "two"] {
            let (reader, mut writer) = std::io::pipe().unwrap();
            std::io::Write::write_all(&mut writer, text.as_bytes()).unwrap();
            drop(writer);
            send(&near, reader.as_fd()).await.unwrap();
        }
        drop(near);
        for text in ["one", "two"] {
            let mut found = String::new();
            std::fs::File::from(receive(&far).await.unwrap()).read_to_string(&mut found).unwrap();
            assert_eq!(found, text);
        }
        let end = receive(&far).await.unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    }
}
