package io.experimentetl.replicate;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.mapping.Lookup;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.quality.FindingVersions;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;

/**
 * {@code missing-lookups}: makes one finding of all rows that lack the reference of a lookup. It is
 * sent before a barrier if their number has changed, and resolved when there is none.
 */
public final class LookupFindingsOperator
    extends AbstractStreamOperator<Either<ProgressMarker, Finding>>
    implements OneInputStreamOperator<LookupMisses, Either<ProgressMarker, Finding>> {
  private static final long serialVersionUID = 1L;

  /**
   * All rows of a lookup that lack their reference.
   *
   * @param version of the last finding
   */
  public record Missing(LookupMisses misses, long version) {}

  private static final ValueStateDescriptor<Missing> MISSING =
      new ValueStateDescriptor<>("missing", TypeInformation.of(Missing.class));

  private record Named(ReplicatedTable table, Lookup lookup) {}

  private final List<ReplicatedTable> tables;

  private transient ValueState<Missing> missing;
  private transient Map<String, LookupMisses> since;
  private transient Map<String, Named> lookups;

  public LookupFindingsOperator(List<ReplicatedTable> tables) {
    this.tables = List.copyOf(tables);
  }

  @Override
  public void open() throws Exception {
    super.open();
    missing = getPartitionedState(MISSING);
    since = new HashMap<>();
    lookups = new HashMap<>();
    for (ReplicatedTable table : tables) {
      table.lookups().forEach(lookup -> lookups.put(table.idOf(lookup), new Named(table, lookup)));
    }
  }

  @Override
  public void processElement(StreamRecord<LookupMisses> record) {
    since.merge(record.getValue().lookup(), record.getValue(), LookupMisses::plus);
  }

  @Override
  public void prepareSnapshotPreBarrier(long checkpointId) throws Exception {
    for (Map.Entry<String, LookupMisses> entry : since.entrySet()) {
      if (entry.getValue().rows() != 0) {
        setCurrentKey(entry.getKey());
        report(entry.getKey(), entry.getValue());
      }
    }
    since.clear();
  }

  private void report(String id, LookupMisses more) throws Exception {
    Missing before = missing.value();
    LookupMisses now = before == null ? more : before.misses.plus(more);
    long version =
        FindingVersions.atMarker(before == null ? 0 : before.version, now.sequenceNumber());
    missing.update(new Missing(now, version));
    Named named = lookups.get(id);
    String subject = String.join(", ", named.lookup.reference());
    output.collect(
        new StreamRecord<>(
            Either.Right(
                Finding.of(
                        FindingCode.R_ORPHAN_LOOKUP,
                        Subject.column(named.table.qualifiedName(), subject),
                        now.rows() > 0)
                    .detail(detail(named, now))
                    .at(now.committedAt(), now.lsn(), version))));
  }

  private static String detail(Named named, LookupMisses now) {
    String example =
        now.example() == null
            ? ""
            : ", such as " + Subject.row(SourceTable.REPLICATED, now.example());
    return now.rows() > 0
        ? "%d %s of %s%s: %s NULL"
            .formatted(
                now.rows(),
                now.rows() == 1 ? "row" : "rows",
                named.table.qualifiedName(),
                example,
                String.join(" and ", named.lookup.added())
                    + (named.lookup.added().size() == 1 ? " is" : " are"))
        : "every row has its reference";
  }
}
