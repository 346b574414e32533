package io.experimentetl.cdc;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.UsersTruncate;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.Change;
import io.experimentetl.model.Finding;
import java.util.List;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.apache.flink.types.Either;
import org.apache.flink.util.OutputTag;

/** {@code route} in Flink's harness, with the key groups of the job. */
final class RouteHarness
    extends OneInputStreamOperatorTestHarness<Either<ProgressMarker, Change>, Change> {
  private final UsersTruncate usersTruncate;

  private RouteHarness(UsersTruncate usersTruncate) throws Exception {
    super(new RouteOperator(128, usersTruncate, SourceMapping.defaults("public")));
    this.usersTruncate = usersTruncate;
    setup(ChangeTypeInfo.INSTANCE.createSerializer(new SerializerConfigImpl()));
  }

  /** One that refuses to truncate users. */
  static RouteHarness opened() throws Exception {
    return opened(UsersTruncate.REFUSE);
  }

  static RouteHarness opened(UsersTruncate usersTruncate) throws Exception {
    RouteHarness harness = new RouteHarness(usersTruncate);
    harness.open();
    return harness;
  }

  /** Takes a checkpoint, closes this one, and continues from the checkpoint in another. */
  RouteHarness restarted() throws Exception {
    return restartedFrom(snapshot(1, 0));
  }

  /** Closes this one, and continues from an earlier checkpoint in another. */
  RouteHarness restartedFrom(OperatorSubtaskState state) throws Exception {
    close();
    RouteHarness next = new RouteHarness(usersTruncate);
    next.initializeState(state);
    next.open();
    return next;
  }

  List<Finding> findings() {
    return sent(RouteOperator.FINDINGS);
  }

  /** The rows that a side output has got. */
  <T> List<T> sent(OutputTag<Either<ProgressMarker, T>> tag) {
    var records = getSideOutput(tag);
    return records == null
        ? List.of()
        : records.stream().map(record -> record.getValue().right()).toList();
  }
}
