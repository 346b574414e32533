package io.experimentetl.clickhouse;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.connector.sink2.CommittableMessage;
import org.apache.flink.streaming.api.connector.sink2.CommittableMessageTypeInfo;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.runtime.operators.sink.SinkWriterOperatorFactory;
import org.apache.flink.types.Either;

/**
 * One committer behind several sinks of a job. It commits the batches of all tables when their
 * checkpoint completes, then writes one row to {@code etl_sink_progress}: the marker that every
 * subtask of every sink has reached. A checkpoint without rows costs one INSERT if the marker has
 * moved, and nothing otherwise.
 *
 * <pre>
 *   writer of table a --+
 *   writer of table b --+--> commit (one subtask, own task): rows of all tables -> progress marker
 *   writer of table c --+
 * </pre>
 *
 * <p>Assumptions, in addition to those of {@link ClickHouseSink}:
 *
 * <ul>
 *   <li>All tables are in one database.
 *   <li>The sinks' batches above {@link BatchLimits#inlineBytes} are in a folder, because one task
 *       receives all batches of a checkpoint.
 *   <li>A bounded job takes its last checkpoint behind the end of its input, as it does by default.
 * </ul>
 */
public final class JointCommit {

  /** Name and uid of the committing operator. */
  public static final String NAME = "commit";

  private final ClickHouseConnection connection;
  private final BatchLimits limits;
  private final Duration lagLimit;
  private final List<String> tables = new ArrayList<>();
  private DataStream<CommittableMessage<Committable>> sealed;

  /**
   * Has no sinks yet.
   *
   * @param limits the times for INSERTs and retries
   * @param lagLimit the lag above which rows are too far behind their source, for {@code
   *     etl_sink_progress.lag_limit_seconds}: readers of that table can tell it although the job
   *     does not run. Zero: no limit
   */
  public JointCommit(ClickHouseConnection connection, BatchLimits limits, Duration lagLimit) {
    this.connection = connection;
    this.limits = limits;
    this.lagLimit = lagLimit;
  }

  /** Writes the rows by a sink. Returns its writer, whose name and uid are the table's name. */
  public <T> SingleOutputStreamOperator<CommittableMessage<Committable>> add(
      DataStream<Either<ProgressMarker, T>> rows, ClickHouseSink<T> sink) {
    SingleOutputStreamOperator<CommittableMessage<Committable>> writer =
        rows.transform(
                sink.table(),
                CommittableMessageTypeInfo.of(CommittableSerializer::new),
                new SinkWriterOperatorFactory<>(sink))
            .uid(sink.table());
    tables.add(sink.table());
    sealed = sealed == null ? writer : sealed.union(writer);
    return writer;
  }

  /**
   * Adds the committer behind the sinks.
   *
   * @throws IllegalStateException if there is no sink
   */
  public void build() {
    if (sealed == null) {
      throw new IllegalStateException("There is no sink to commit: call add(…) first.");
    }
    sealed
        .transform(NAME, Types.VOID, new CommitOperator(connection, limits, lagLimit, tables))
        .uid(NAME)
        .forceNonParallel()
        .disableChaining();
  }
}
