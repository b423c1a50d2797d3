//! The certificates that endpoints trust have to be usable.

use clearwell_sign::{Severity, fitness};

use super::Run;
use crate::verify::{Anchors, Defect, DefectKind};

impl Run<'_> {
    /// The newest certificate has to be one that endpoints accept today.
    pub(super) fn certificates(&mut self, anchors: &Anchors) {
        let layout = self.store.layout();
        let Some(anchor) = anchors.first() else {
            let has_releases = self.store.releases().is_ok_and(|releases| !releases.is_empty());
            if has_releases {
                self.find(Defect::of_file(layout.root(), layout, DefectKind::NoCertificate));
            }
            return;
        };
        for problem in fitness(anchor, self.options.now) {
            let kind = DefectKind::Certificate {
                subject: anchor.first().subject(),
                refused: problem.severity() == Severity::Refusal,
                problem: problem.to_string(),
            };
            self.find(Defect::of_file(&layout.content(), layout, kind));
        }
    }
}
