//! The directory files are kept under, and which names lead out of it.

use crate::failure::{Failure, Result};
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};
use tofu_std::Status;

/// The directory files are kept under.
pub(super) struct Root(PathBuf);

impl Root {
    /// # Errors
    /// When it is no directory.
    pub(super) fn open(dir: &Path) -> io::Result<Root> {
        let dir = fs::canonicalize(dir)?;
        if dir.is_dir() { Ok(Root(dir)) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    /// Where a file of this name is to be stored. Its directory must exist.
    pub(super) fn store(&self, name: &[u8]) -> Result<PathBuf> {
        let path = self.join(name)?;
        let (Some(parent), Some(file_name)) = (path.parent(), path.file_name()) else {
            return Err(leads_out());
        };
        let target = self.resolve(parent).map_err(no_directory)?.join(file_name);
        match fs::symlink_metadata(&target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(target),
            Err(error) => Err(unusable(&error)),
            // Through a link that stays inside.
            Ok(metadata) if metadata.is_symlink() => self.resolve(&target).and_then(only_file),
            Ok(_) => only_file(target),
        }
    }

    /// Opens the file of this name, and says how long it is.
    pub(super) fn fetch(&self, name: &[u8]) -> Result<(File, u64)> {
        let path = self.resolve(&self.join(name)?).and_then(only_file)?;
        let file = open(&path).map_err(|error| unusable(&error))?;
        let metadata = file.metadata().map_err(|error| unusable(&error))?;
        // It may be something else by now.
        if metadata.is_file() { Ok((file, metadata.len())) } else { Err(no_file()) }
    }

    /// The path a name spells, if it is relative and climbs nowhere.
    fn join(&self, name: &[u8]) -> Result<PathBuf> {
        let name = Path::new(std::str::from_utf8(name).map_err(|_| bad_name())?);
        let is_plain = |part| matches!(part, Component::Normal(_));
        if name.as_os_str().is_empty() || !name.components().all(is_plain) {
            return Err(bad_name());
        }
        Ok(self.0.join(name))
    }

    /// Follows links, and sees to it that they stay inside.
    fn resolve(&self, path: &Path) -> Result<PathBuf> {
        let path = fs::canonicalize(path).map_err(|error| unusable(&error))?;
        if path.starts_with(&self.0) { Ok(path) } else { Err(leads_out()) }
    }
}

/// Opening a pipe or a device could block the server.
fn only_file(path: PathBuf) -> Result<PathBuf> {
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => Ok(path),
        Ok(_) => Err(no_file()),
        Err(error) => Err(unusable(&error)),
    }
}

/// Opens a file to read it. Does not wait where somebody has put a pipe there meanwhile, and follows no link.
fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed());
    }
    options.read(true).open(path)
}

fn no_file() -> Failure {
    Failure::new(Status::NotAllowed, "that is not a file")
}

fn bad_name() -> Failure {
    Failure::new(
        Status::NotAllowed,
        "the name must be a path in the directory, in UTF-8, without `.` and `..`",
    )
}

fn leads_out() -> Failure {
    Failure::new(Status::NotAllowed, "the name leads out of the directory")
}

/// That a file is not there yet is no mistake; that its directory is not, is.
fn no_directory(failure: Failure) -> Failure {
    match failure {
        Failure::Status(Status::ProcessingFailed, detail) => {
            Failure::new(Status::ProcessingFailed, format_args!("the file's directory: {detail}"))
        }
        other => other,
    }
}

fn unusable(error: &io::Error) -> Failure {
    Failure::new(Status::ProcessingFailed, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status<T>(result: Result<T>) -> Status {
        match result {
            Err(Failure::Status(status, _)) => status,
            Err(Failure::OutputClosed) => panic!("no output here"),
            Ok(_) => Status::Success,
        }
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        for name in ["", ".", "..", "/", "/etc/passwd", "../x", "a/../../x", "a/..", "./a"] {
            assert_eq!(status(root.store(name.as_bytes())), Status::NotAllowed, "{name:?}");
            assert_eq!(status(root.fetch(name.as_bytes())), Status::NotAllowed, "{name:?}");
        }
        assert_eq!(status(root.store(b"\xff")), Status::NotAllowed);
        assert_eq!(status(root.store(b"nul\0")), Status::ProcessingFailed);
        assert_eq!(status(root.store(b"missing/x")), Status::ProcessingFailed);
        assert_eq!(status(root.fetch(b"missing")), Status::ProcessingFailed);
    }

    #[test]
    fn directories_are_no_files() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        assert_eq!(status(root.store(b"sub")), Status::NotAllowed);
        assert_eq!(status(root.fetch(b"sub")), Status::NotAllowed);
        assert_eq!(status(root.store(b"sub/x")), Status::Success);
    }

    #[cfg(unix)]
    #[test]
    fn links_may_not_lead_out() {
        use std::os::unix::fs::symlink;
        let outside = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        fs::write(dir.path().join("mine"), "x").unwrap();
        symlink(outside.path(), dir.path().join("out")).unwrap();
        symlink(outside.path().join("secret"), dir.path().join("secret")).unwrap();
        symlink(outside.path().join("none"), dir.path().join("dangling")).unwrap();
        symlink("mine", dir.path().join("inside")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        for name in [&b"out/secret"[..], b"secret"] {
            assert_eq!(status(root.fetch(name)), Status::NotAllowed);
            assert_eq!(status(root.store(name)), Status::NotAllowed);
        }
        assert_ne!(status(root.store(b"dangling")), Status::Success);
        assert_eq!(status(root.fetch(b"inside")), Status::Success);
        assert_eq!(status(root.store(b"inside")), Status::Success);
    }
}
