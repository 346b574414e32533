package io.experimentetl.clickhouse;

/** What a writer passes to the committer with a checkpoint. */
public sealed interface Committable permits SealedBatch, SealedMarker {

  /** The table of the sink that it comes from. */
  String table();
}
