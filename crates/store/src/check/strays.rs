//! Files in the public tree that no index names: a server does not serve them, another web server would.

use std::path::Path;

use clearwell_format::Version;
use clearwell_format::resource::Artifact;

use super::Run;
use crate::listing::list;
use crate::verify::{Defect, DefectKind};
use crate::{Index, StoreError};

impl Run<'_> {
    pub(super) fn strays(&mut self) -> Result<(), StoreError> {
        let layout = self.store.layout();
        for found in list(&layout.content())? {
            // Files of other programs at the root, such as index.html, are not reported.
            let Ok(version) = found.name.parse::<Version>() else { continue };
            let is_known = self.store.has_content(version) || layout.index(version).exists();
            if layout.draft(version).exists() {
                continue;
            }
            if is_known {
                self.strays_of(version, &found.path)?;
            } else if found.path.exists() && !self.store.has_content(version) {
                self.find(Defect::of_file(&found.path, layout, DefectKind::Stray));
            }
        }
        Ok(())
    }

    fn strays_of(&mut self, version: Version, folder: &Path) -> Result<(), StoreError> {
        let Ok(index) = self.store.index(version) else { return Ok(()) };
        // A damaged index is a separate finding, and does not make strays.
        let is_known = |index: &Index, artifact: &Artifact| !matches!(index.get(artifact), Ok(None));
        let is_named = |name: &str| Artifact::from_path(name).is_some_and(|artifact| is_known(&index, &artifact));
        let mut strays = Vec::new();
        for found in list(folder)? {
            if found.is_folder && ["files", "delta"].contains(&found.name.as_str()) {
                let below = list(&found.path)?.into_iter();
                strays.extend(below.filter(|below| !is_named(&format!("{}/{}", found.name, below.name))));
            } else if !is_named(&found.name) {
                strays.push(found);
            }
        }
        // An extension may have added files meanwhile, or a collection removed them.
        self.store.refresh();
        let Ok(index) = self.store.index(version) else { return Ok(()) };
        for stray in strays {
            let name = stray.path.strip_prefix(folder).ok().and_then(Path::to_str).and_then(Artifact::from_path);
            let is_named = name.is_some_and(|artifact| is_known(&index, &artifact));
            if !is_named && stray.path.symlink_metadata().is_ok() && !self.store.layout().draft(version).exists() {
                self.find(Defect::of_file(&stray.path, self.store.layout(), DefectKind::Stray));
            }
        }
        Ok(())
    }
}
