//! Folders on disk to nodes.
