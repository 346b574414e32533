package io.experimentetl.quality;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.model.ChangedRows;
import io.experimentetl.model.Finding;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;

/**
 * {@code changed-rows}: makes one finding of the rows of an experiment that were corrected in the
 * same way, however many users they belong to. Before each barrier it sends what has come since the
 * last one: the rows of one transaction, also of one that lasts over several checkpoints, or those
 * of several transactions together. Per experiment and code it keeps the last finding.
 */
public final class ChangedRowsOperator
    extends AbstractStreamOperator<Either<ProgressMarker, Finding>>
    implements OneInputStreamOperator<ChangedRows, Either<ProgressMarker, Finding>> {
  private static final long serialVersionUID = 1L;

  public static final TypeInformation<Either<ProgressMarker, Finding>> TYPE =
      TypeInformation.of(new TypeHint<>() {});

  private static final ValueStateDescriptor<ChangedRows> LAST =
      new ValueStateDescriptor<>("last", TypeInformation.of(ChangedRows.class));

  private transient ValueState<ChangedRows> last;
  private transient Map<String, ChangedRows> since;

  /** The code and the experiment, as text: the hash of a text is the same on every JVM. */
  public static String keyOf(ChangedRows rows) {
    return rows.code().code() + "/" + rows.experimentId();
  }

  @Override
  public void open() throws Exception {
    super.open();
    last = getPartitionedState(LAST);
    since = new HashMap<>();
  }

  @Override
  public void processElement(StreamRecord<ChangedRows> record) {
    since.merge(keyOf(record.getValue()), record.getValue(), ChangedRows::plus);
  }

  @Override
  public void prepareSnapshotPreBarrier(long checkpointId) throws Exception {
    for (Map.Entry<String, ChangedRows> entry : since.entrySet()) {
      setCurrentKey(entry.getKey());
      ChangedRows before = last.value();
      ChangedRows rows = entry.getValue();
      boolean continues = before != null && before.lastCommit() == rows.firstCommit();
      ChangedRows now = continues ? before.plus(rows) : rows;
      last.update(now);
      output.collect(new StreamRecord<>(Either.Right(now.finding())));
    }
    since.clear();
  }
}
