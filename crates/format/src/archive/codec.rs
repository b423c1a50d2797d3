//! Compression of archives.

use std::io::{self, BufRead, Read, Write};

use clearwell_xz::{DictSize, NiceLength};

/// How an archive is compressed. The same codec and bytes give the same result on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// None.
    None,
    /// gzip without name and time.
    Gzip {
        /// 0 to 9.
        level: u32,
    },
    /// bzip2.
    Bzip2 {
        /// 1 to 9.
        level: u32,
    },
    /// One xz stream with a CRC64 check, byte for byte as the xz tool makes it with one thread.
    Xz {
        /// The preset, 0 to 9.
        preset: u32,
        /// With the x86 BCJ filter, which pays for executables; all clients decode it.
        x86: bool,
    },
    /// The same format by `clearwell-xz`: in half the time of preset 6 or less, for one or two hundredths more bytes.
    OwnXz {
        /// The dictionary size.
        dict_size: DictSize,
        /// Matches of this length are taken without looking further.
        nice_length: NiceLength,
        /// With the x86 BCJ filter.
        x86: bool,
    },
    /// One zstd frame with a checksum.
    Zstd {
        /// 1 to 19. Levels above need windows that clients refuse.
        level: i32,
    },
    /// The same with a window of 32 MiB and matches over long distances: for many files in one frame.
    ZstdWide {
        /// 1 to 19.
        level: i32,
    },
}

impl Codec {
    /// The bytes compressed.
    ///
    /// # Errors
    /// [`CodecError`] if memory runs out in the compressor.
    pub fn compress(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut encoder = self.encoder(Vec::new(), Some(bytes.len() as u64))?;
        encoder.write_all(bytes)?;
        encoder.finish()
    }

    /// A compressor in front of `out`. `size` is the number of bytes that will be written, where it is known: small
    /// inputs then take less memory on both sides.
    ///
    /// The result depends on `size` and on the bytes, not on the pieces they are written in.
    ///
    /// # Errors
    /// Only [`io::ErrorKind::OutOfMemory`].
    pub fn encoder<W: Write>(self, out: W, size: Option<u64>) -> io::Result<Encoder<W>> {
        // Compressors have their own errors for it.
        self.begin(out, size).map_err(|error| io::Error::new(io::ErrorKind::OutOfMemory, error))
    }

    fn begin<W: Write>(self, out: W, size: Option<u64>) -> io::Result<Encoder<W>> {
        Ok(Encoder(match self {
            Self::None => Inner::None(out),
            Self::Gzip { level } => Inner::Gzip(flate2::write::GzEncoder::new(out, flate2::Compression::new(level))),
            Self::Bzip2 { level } => Inner::Bzip2(bzip2::write::BzEncoder::new(out, bzip2::Compression::new(level))),
            Self::Xz { preset, x86 } => {
                let options = liblzma::stream::LzmaOptions::new_preset(preset)?;
                let stream = xz_stream(options, dictionary_bytes(preset), x86, size)?;
                Inner::Xz(liblzma::write::XzEncoder::new_stream(out, stream))
            }
            Self::OwnXz { dict_size, nice_length, x86 } => {
                let options = clearwell_xz::Options { dict_size, nice_length, x86, props: None };
                Inner::OwnXz(clearwell_xz::Encoder::new(out, options))
            }
            Self::Zstd { level } => {
                let mut encoder = zstd::stream::Encoder::new(out, level)?;
                encoder.include_checksum(true)?;
                encoder.set_pledged_src_size(size)?;
                Inner::Zstd(encoder)
            }
            Self::ZstdWide { level } => {
                let mut encoder = zstd::stream::Encoder::new(out, level)?;
                encoder.include_checksum(true)?;
                encoder.long_distance_matching(true)?;
                encoder.window_log(WIDE_WINDOW_LOG)?;
                encoder.set_pledged_src_size(size)?;
                Inner::Zstd(encoder)
            }
        }))
    }

    /// Approximate memory of an [`Encoder`] for an input of `size` bytes, rounded up.
    pub fn encoder_memory(self, size: u64) -> u64 {
        let fixed = 2 << 20;
        match self {
            Self::None => 0,
            Self::Gzip { .. } => fixed,
            Self::Bzip2 { .. } => 10 << 20,
            // xz manual: 94 MiB for preset 6 with its dictionary of 8 MiB.
            Self::Xz { preset, .. } => fixed + 12 * size.min(dictionary_bytes(preset)),
            Self::OwnXz { .. } => clearwell_xz::Encoder::<Vec<u8>>::memory(size),
            Self::Zstd { .. } => fixed + 12 * size.min(8 << 20),
            Self::ZstdWide { .. } => fixed + 4 * size.min(1 << WIDE_WINDOW_LOG),
        }
    }
}

/// Compresses what is written to it. Without [`Encoder::finish`] the result is truncated.
pub struct Encoder<W: Write>(Inner<W>);

enum Inner<W: Write> {
    None(W),
    Gzip(flate2::write::GzEncoder<W>),
    Bzip2(bzip2::write::BzEncoder<W>),
    Xz(liblzma::write::XzEncoder<W>),
    OwnXz(clearwell_xz::Encoder<W>),
    Zstd(zstd::stream::Encoder<'static, W>),
}

impl<W: Write> Encoder<W> {
    /// Ends the compressed stream and returns the writer behind it.
    ///
    /// # Errors
    /// If the writer fails, and for zstd if the size differs from the stated one.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Inner::None(out) => Ok(out),
            Inner::Gzip(encoder) => encoder.finish(),
            Inner::Bzip2(encoder) => encoder.finish(),
            Inner::Xz(encoder) => encoder.finish(),
            Inner::OwnXz(encoder) => encoder.finish(),
            Inner::Zstd(encoder) => encoder.finish(),
        }
    }

    fn inner(&mut self) -> &mut dyn Write {
        match &mut self.0 {
            Inner::None(out) => out,
            Inner::Gzip(encoder) => encoder,
            Inner::Bzip2(encoder) => encoder,
            Inner::Xz(encoder) => encoder,
            Inner::OwnXz(encoder) => encoder,
            Inner::Zstd(encoder) => encoder,
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner().write(bytes)
    }

    /// Does nothing: a flush inside a stream would change the bytes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn xz_stream(
    mut options: liblzma::stream::LzmaOptions,
    dictionary: u64,
    x86: bool,
    size: Option<u64>,
) -> io::Result<liblzma::stream::Stream> {
    use liblzma::stream::{Check, Filters, Stream};
    // A dictionary larger than the input only costs both sides memory; liblzma wants at least 4 KiB.
    if let Some(size) = size.filter(|&size| size < dictionary) {
        options.dict_size(u32::try_from(size.next_power_of_two().max(4096)).expect("below the largest dictionary"));
    }
    let mut filters = Filters::new();
    if x86 {
        filters.x86();
    }
    filters.lzma2(&options);
    Ok(Stream::new_stream_encoder(&filters, Check::Crc64)?)
}

/// The dictionary of an xz preset (xz manual, section "presets").
const fn dictionary_bytes(preset: u32) -> u64 {
    match preset {
        0 => 256 << 10,
        1 => 1 << 20,
        2 => 2 << 20,
        3 | 4 => 4 << 20,
        5 | 6 => 8 << 20,
        7 => 16 << 20,
        8 => 32 << 20,
        _ => 64 << 20,
    }
}

/// Undoes the compression that the first bytes show: gzip, bzip2, xz, lzma, zstd, or none; concatenated streams are
/// one, and up to three filters may be nested.
///
/// The decoder's memory is bounded: 128 MiB for a zstd window and 256 MiB for xz. The output is not: callers stop
/// reading at the size they expect.
///
/// # Errors
/// If the first bytes cannot be read.
pub fn decoder<'r>(reader: impl BufRead + Send + 'r) -> io::Result<Box<dyn BufRead + Send + 'r>> {
    let mut reader: Box<dyn BufRead + Send + 'r> = Box::new(reader);
    for _ in 0..NESTED_FILTERS {
        let (start, whole) = peek(reader)?;
        let buffered = |decoder: Box<dyn Read + Send + 'r>| io::BufReader::with_capacity(64 << 10, decoder);
        let decoder: Box<dyn Read + Send + 'r> = match start {
            [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(whole)),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Box::new(bzip2::bufread::MultiBzDecoder::new(whole)),
            [0xfd, b'7', b'z', b'X', b'Z', 0] => {
                let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(whole, stream))
            }
            [0x5d, 0, 0, ..] => {
                let stream = liblzma::stream::Stream::new_lzma_decoder(XZ_MEMORY)?;
                Box::new(Alone(liblzma::bufread::XzDecoder::new_stream(whole, stream)))
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                let mut decoder = zstd::stream::Decoder::with_buffer(whole)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
            _ => return Ok(whole),
        };
        reader = Box::new(buffered(decoder));
    }
    Ok(reader)
}

/// The old format has no second stream: what follows its end is an error, as behind the other formats.
struct Alone<R>(liblzma::bufread::XzDecoder<R>);

impl<R: BufRead> Read for Alone<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        if count == 0 && !buffer.is_empty() && !self.0.get_mut().fill_buf()?.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "data follows the end of the stream"));
        }
        Ok(count)
    }
}

/// The first six bytes, zeros where there are fewer, and a reader that begins with them again.
fn peek<'r>(mut reader: Box<dyn BufRead + Send + 'r>) -> io::Result<([u8; 6], Box<dyn BufRead + Send + 'r>)> {
    let mut start = [0; 6];
    let mut filled = 0;
    while filled < start.len() {
        match reader.read(&mut start[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let again = io::Cursor::new(start[..filled].to_vec());
    Ok((start, Box::new(again.chain(reader))))
}

/// A codec's name could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a compression method; use none, gzip, bzip2, xz or zstd")]
pub struct CodecError(pub String);

/// Half of what clients take at least (content layout §3).
const WIDE_WINDOW_LOG: u32 = 25;
const NESTED_FILTERS: usize = 3;
const XZ_MEMORY: u64 = 256 << 20;
const ZSTD_WINDOW_LOG: u32 = 27;
