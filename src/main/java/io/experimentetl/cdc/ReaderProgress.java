package io.experimentetl.cdc;

/**
 * How far the source's reader has read: to the end of a chunk of the snapshot, or to a position in
 * the stream.
 *
 * @param chunkRead true: a chunk of the snapshot is complete, and all its rows came before; false:
 *     this is a position in the stream
 * @param commitLsn every transaction whose commit ends at or before it was passed on; 0: none yet,
 *     and for a chunk
 * @param lsn from here the stream is read after a restart; for a chunk where the stream is to start
 *     at the latest
 */
public record ReaderProgress(boolean chunkRead, long commitLsn, long lsn) {}
