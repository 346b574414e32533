package io.experimentetl.cdc;

/**
 * How far the source's reader has read: to the end of a chunk of the snapshot, or to a position in
 * the stream.
 *
 * @param chunkRead true: a chunk of the snapshot is complete, and all its rows came before; false:
 *     this is a position in the stream
 * @param commitLsn every transaction whose commit ends at or before it was passed on; 0: none yet,
 *     and for a chunk
 * @param lsn where the stream is read from after a restart; for a chunk the latest position at
 *     which the stream may start
 */
public record ReaderProgress(boolean chunkRead, long commitLsn, long lsn) {}
