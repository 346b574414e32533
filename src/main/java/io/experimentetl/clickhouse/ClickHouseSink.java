package io.experimentetl.clickhouse;

import java.io.IOException;
import java.time.Duration;
import java.util.Collection;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.api.connector.sink2.CommitterInitContext;
import org.apache.flink.api.connector.sink2.CommittingSinkWriter;
import org.apache.flink.api.connector.sink2.StatefulSinkWriter;
import org.apache.flink.api.connector.sink2.SupportsCommitter;
import org.apache.flink.api.connector.sink2.SupportsWriterState;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.streaming.api.connector.sink2.CommittableMessage;
import org.apache.flink.streaming.api.connector.sink2.SupportsPreCommitTopology;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.types.Either;

/**
 * Writes rows to one ClickHouse table exactly once. Rows become visible when their checkpoint
 * completes.
 *
 * <pre>
 *   writer                        sealed            committer
 *   rows -> batches by partition  -> (own task) ->  INSERT, or probe and INSERT
 * </pre>
 *
 * <p>A job with several tables, or with progress markers, uses {@link JointCommit} in the place of
 * {@code sinkTo}: one committer behind all its sinks.
 *
 * <p>Assumptions:
 *
 * <ul>
 *   <li>The job takes checkpoints with aligned barriers.
 *   <li>The table {@code etl_owners} is in the same database.
 *   <li>The target table is a MergeTree, has a column {@code _batch_id LowCardinality(String)}, and
 *       a partition key that is an integer computed from the row.
 *   <li>No materialized view reads from the target table.
 *   <li>All rows of a key go to the same subtask, when the order of versions matters.
 * </ul>
 *
 * <p>{@code docs/clickhouse-sink.md} describes the guarantees and shows a job. {@link
 * ClickHousePreflight} checks the server before a job starts. The caller sets the sink's name and
 * uid.
 *
 * @param <T> the type of rows, which a {@link RowEncoder} encodes
 */
public final class ClickHouseSink<T>
    implements WriterSink<Either<ProgressMarker, T>>,
        SupportsCommitter<Committable>,
        SupportsWriterState<Either<ProgressMarker, T>, Committable>,
        SupportsPreCommitTopology<Committable, Committable> {

  private final RowEncoder<T> encoder;
  private final ClickHouseConnection connection;
  private final BatchLimits limits;
  private final String folder;
  private final Duration linger;

  private ClickHouseSink(Builder<T> builder) {
    this.encoder = builder.encoder;
    this.connection = builder.connection;
    this.limits = builder.limits;
    this.folder = builder.folder;
    this.linger = builder.linger;
  }

  /** Starts to build a sink for the encoder's table. */
  public static <T> Builder<T> builder(RowEncoder<T> encoder) {
    return new Builder<>(encoder);
  }

  /** The name of the target table, which is also the sink's name. */
  public String table() {
    return encoder.schema().table();
  }

  /** The table and columns that {@link ClickHousePreflight} checks. */
  public TableSchema schema() {
    return encoder.schema();
  }

  @Override
  public CommittingSinkWriter<Either<ProgressMarker, T>, Committable> createWriter(
      WriterInitContext context) throws IOException {
    return writer(context);
  }

  private ClickHouseWriter<T> writer(WriterInitContext context) throws IOException {
    return new ClickHouseWriter<>(encoder, connection, limits, folder, linger, context);
  }

  /** A writer leaves nothing in a checkpoint: the committer has its batches. */
  @Override
  public StatefulSinkWriter<Either<ProgressMarker, T>, Committable> restoreWriter(
      WriterInitContext context, Collection<Committable> recovered) throws IOException {
    return writer(context);
  }

  @Override
  public SimpleVersionedSerializer<Committable> getWriterStateSerializer() {
    return new CommittableSerializer();
  }

  @Override
  public Committer<Committable> createCommitter(CommitterInitContext context) throws IOException {
    return new ClickHouseCommitter(connection, limits, table(), context);
  }

  @Override
  public SimpleVersionedSerializer<Committable> getCommittableSerializer() {
    return new CommittableSerializer();
  }

  @Override
  public SimpleVersionedSerializer<Committable> getWriteResultSerializer() {
    return new CommittableSerializer();
  }

  /** Runs the committer in a task of its own, so that the writer accepts rows during commits. */
  @Override
  public DataStream<CommittableMessage<Committable>> addPreCommitTopology(
      DataStream<CommittableMessage<Committable>> committables) {
    return committables
        .map(batch -> batch, committables.getType())
        .name("sealed")
        .setParallelism(committables.getParallelism())
        .startNewChain()
        .uid("sealed");
  }

  /** The settings of a sink. Only {@link #connection} is required. */
  public static final class Builder<T> {

    private final RowEncoder<T> encoder;
    private ClickHouseConnection connection;
    private BatchLimits limits = BatchLimits.DEFAULT;
    private String folder = "";
    private Duration linger;

    private Builder(RowEncoder<T> encoder) {
      this.encoder = encoder;
    }

    /** The server and database of the table. Required. */
    public Builder<T> connection(ClickHouseConnection newConnection) {
      connection = newConnection;
      return this;
    }

    /** Sizes and times. Default: {@link BatchLimits#DEFAULT}. */
    public Builder<T> limits(BatchLimits newLimits) {
      limits = newLimits;
      return this;
    }

    /**
     * URI of a folder for batches above {@link BatchLimits#inlineBytes}. Every TaskManager must
     * reach it, and it must be kept as long as the checkpoints. Default: none; the checkpoint
     * contains all batches.
     */
    public Builder<T> folder(String newFolder) {
      folder = newFolder;
      return this;
    }

    /**
     * Writes replay-stable rows ({@link RowEncoder#isReplayStable}) before their checkpoint, when
     * this time has passed or a batch is full. After a failure such a row may be in the table
     * twice, and once under {@code FINAL}. Needs a ReplacingMergeTree by version. Default: no early
     * writes.
     */
    public Builder<T> earlyWrite(Duration newLinger) {
      linger = newLinger;
      return this;
    }

    /**
     * Builds the sink.
     *
     * @throws IllegalStateException if the connection is missing
     */
    public ClickHouseSink<T> build() {
      if (connection == null) {
        throw new IllegalStateException(
            "The sink for table "
                + encoder.schema().table()
                + " has no connection: call connection(…).");
      }
      return new ClickHouseSink<>(this);
    }
  }
}
