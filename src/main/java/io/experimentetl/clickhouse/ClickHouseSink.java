package io.experimentetl.clickhouse;

import java.io.IOException;
import java.time.Duration;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.api.connector.sink2.CommitterInitContext;
import org.apache.flink.api.connector.sink2.CommittingSinkWriter;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SupportsCommitter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.streaming.api.connector.sink2.CommittableMessage;
import org.apache.flink.streaming.api.connector.sink2.SupportsPreCommitTopology;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.types.Either;

/**
 * Writes rows to one ClickHouse table exactly once: they become visible when their checkpoint
 * completes, and behind them, in {@code etl_sink_progress}, the cut that they are complete up to.
 * With {@link Builder#earlyWrite} those that come again after a restart become visible at once.
 *
 * <p>Needs checkpointing with aligned barriers. The sink's own uid is set by whoever attaches it.
 */
public final class ClickHouseSink<T>
    implements Sink<Either<ProgressMarker, T>>,
        SupportsCommitter<SealedBatch>,
        SupportsPreCommitTopology<SealedBatch, SealedBatch> {

  private final RowEncoder<T> encoder;
  private final ClickHouseConnection connection;
  private final BatchLimits limits;
  private final String folder;
  private final int sinks;
  private final Duration linger;

  private ClickHouseSink(Builder<T> builder) {
    this.encoder = builder.encoder;
    this.connection = builder.connection;
    this.limits = builder.limits;
    this.folder = builder.folder;
    this.sinks = builder.sinks;
    this.linger = builder.linger;
  }

  /** Starts a sink for one table. */
  public static <T> Builder<T> builder(RowEncoder<T> encoder) {
    return new Builder<>(encoder);
  }

  /** The table that the sink writes; also its name. */
  public String table() {
    return encoder.schema().table();
  }

  /** The table and columns that preflight has to find. */
  public TableSchema schema() {
    return encoder.schema();
  }

  @Override
  public CommittingSinkWriter<Either<ProgressMarker, T>, SealedBatch> createWriter(
      WriterInitContext context) throws IOException {
    return new ClickHouseWriter<>(encoder, connection, limits, folder, sinks, linger, context);
  }

  @Deprecated
  @Override
  @SuppressWarnings("deprecation")
  public CommittingSinkWriter<Either<ProgressMarker, T>, SealedBatch> createWriter(
      Sink.InitContext context) {
    throw new UnsupportedOperationException("Flink calls createWriter(WriterInitContext).");
  }

  @Override
  public Committer<SealedBatch> createCommitter(CommitterInitContext context) throws IOException {
    return new ClickHouseCommitter(connection, limits, table(), context);
  }

  @Override
  public SimpleVersionedSerializer<SealedBatch> getCommittableSerializer() {
    return new SealedBatchSerializer();
  }

  @Override
  public SimpleVersionedSerializer<SealedBatch> getWriteResultSerializer() {
    return new SealedBatchSerializer();
  }

  /** Takes the committer out of the writer's task: rows flow while batches are sent. */
  @Override
  public DataStream<CommittableMessage<SealedBatch>> addPreCommitTopology(
      DataStream<CommittableMessage<SealedBatch>> committables) {
    return committables
        .map(batch -> batch, committables.getType())
        .name("sealed")
        .setParallelism(committables.getParallelism())
        .startNewChain()
        .uid("sealed");
  }

  /** Collects what a sink needs. */
  public static final class Builder<T> {

    private final RowEncoder<T> encoder;
    private ClickHouseConnection connection;
    private BatchLimits limits = BatchLimits.DEFAULT;
    private String folder = "";
    private int sinks = 1;
    private Duration linger;

    private Builder(RowEncoder<T> encoder) {
      this.encoder = encoder;
    }

    /** Where the table is. Required. */
    public Builder<T> connection(ClickHouseConnection newConnection) {
      connection = newConnection;
      return this;
    }

    /** How many sinks the job has: {@code etl_sink_progress.sinks}. Default 1. */
    public Builder<T> sinks(int newSinks) {
      sinks = newSinks;
      return this;
    }

    /** Sizes and times. Default {@link BatchLimits#DEFAULT}. */
    public Builder<T> limits(BatchLimits newLimits) {
      limits = newLimits;
      return this;
    }

    /**
     * URI of a folder that every TaskManager reaches and that lives as long as the checkpoints do,
     * for batches beyond {@link BatchLimits#inlineBytes}. Default: none, all batches travel in the
     * checkpoint itself.
     */
    public Builder<T> folder(String newFolder) {
      folder = newFolder;
      return this;
    }

    /**
     * Writes the rows that the encoder calls repeatable through, as soon as so much time has passed
     * or a batch is full, and not with their checkpoint: at least once each, once under {@code
     * FINAL}. Needs a table that replaces rows by version. Default: none is written through.
     */
    public Builder<T> earlyWrite(Duration newLinger) {
      linger = newLinger;
      return this;
    }

    /**
     * The sink.
     *
     * @throws IllegalStateException if the connection is missing
     */
    public ClickHouseSink<T> build() {
      if (connection == null) {
        throw new IllegalStateException(
            "The sink for table " + encoder.schema().table() + " has no connection.");
      }
      return new ClickHouseSink<>(this);
    }
  }
}
