package io.experimentetl.clickhouse;

/**
 * A consistent cut through the pipeline: every row at or before it was passed on before it, none
 * after it was. The continuity step sends one before each checkpoint barrier; every operator passes
 * it on behind its own output; a sink that has committed all before it may say so.
 *
 * @param sequenceNumber the last stamp before the cut
 * @param lsn the LSN up to which the source's transactions are complete
 * @param committedAt commit time of the last transaction, microseconds since 1970 in UTC; 0 in the
 *     snapshot
 * @param snapshotDone false until the stream has passed the end of the initial snapshot: before,
 *     statistics are incomplete
 * @param replayStable a checkpoint behind the end of the initial snapshot has completed: whatever
 *     happens, each row behind this cut comes again, or has come for good
 */
public record ProgressMarker(
    long sequenceNumber, long lsn, long committedAt, boolean snapshotDone, boolean replayStable) {}
