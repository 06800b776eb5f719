//! Whether the log is the one that the archive was made from.
//!
//! A topic that was deleted and made anew, or another log under an archive that was there before, may have offsets
//! beyond where the archive ends; archived on, its first messages would be passed over and nobody would know. So the
//! first archiver writes down which topic it reads, and all others compare. An archive from before this was done takes
//! the topic that it finds.
//!
//! It refuses to decide which of the two is right.

use object_store::path::Path;
use schemas::{
    commit::{Origin, RECORDS_STREAM, origin_path},
    topic,
};

use crate::{Deps, setback::Setback, store};

/// Why nothing may be archived of this log; `None` when it is the archive's own, or does not say.
pub(crate) async fn foreign(deps: &Deps) -> Result<Option<String>, Setback> {
    let Some(identity) = deps.bus.reader().identity(topic::RECORDS).await? else { return Ok(None) };
    let (path, origin) = (Path::from(origin_path(RECORDS_STREAM)), Origin::new(topic::RECORDS, identity));
    match store::create(&*deps.store, &path, origin.to_json()).await {
        Ok(()) => return Ok(None),
        Err(object_store::Error::AlreadyExists { .. }) => {}
        Err(error) => return Err(Setback::at(&path)(error)),
    }
    let known = store::read(&*deps.store, &path).await?;
    let known = Origin::from_json(&known).map_err(|source| Setback::Entry { path: path.clone(), source })?;
    Ok((known != origin).then(|| {
        format!(
            "{} is another log than the one that this archive was made from ({path} in the archive says which): \
             archive it to another [archive] url",
            topic::RECORDS
        )
    }))
}
