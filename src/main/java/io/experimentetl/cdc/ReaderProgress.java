package io.experimentetl.cdc;

/**
 * What the source's reader says beside rows.
 *
 * @param chunkRead a chunk of the snapshot is complete: all its rows came before; otherwise the
 *     stream has come so far
 * @param commitLsn every transaction whose commit ends at or before it was passed on; 0: none yet,
 *     and for a chunk
 * @param lsn from here the stream is read after a restart; for a chunk where the stream is to start
 *     at the latest
 */
public record ReaderProgress(boolean chunkRead, long commitLsn, long lsn) {}
