package io.experimentetl.stats;

import io.experimentetl.config.FindingsConfig;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.Cut;
import io.experimentetl.model.ExperimentHealth;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.HealthContribution;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.HealthKey;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.VariantRow;
import java.util.HashMap;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.flink.api.common.state.BroadcastState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.TwoInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;
import org.apache.flink.util.OutputTag;

/**
 * {@code experiment-health}: adds up who was assigned, exposed and seen twice, per experiment, and
 * tests the sample ratio. Rows that changed go out just before each barrier; a mismatch opens a
 * finding, and closes it when it is gone.
 */
public final class ExperimentHealthOperator
    extends AbstractStreamOperator<Either<Cut, ExperimentHealth>>
    implements TwoInputStreamOperator<
        HealthContribution, Either<Cut, Change>, Either<Cut, ExperimentHealth>> {

  private static final long serialVersionUID = 1L;

  public static final TypeInformation<Either<Cut, ExperimentHealth>> TYPE =
      TypeInformation.of(new TypeHint<>() {});
  public static final OutputTag<Either<Cut, Finding>> FINDINGS =
      new OutputTag<>("health-findings", TypeInformation.of(new TypeHint<>() {}));

  private static final ValueStateDescriptor<HealthState> STATE =
      new ValueStateDescriptor<>("health", TypeInformation.of(HealthState.class));
  private static final MapStateDescriptor<Long, VariantWeight> VARIANTS =
      new MapStateDescriptor<>("weights", Types.LONG, TypeInformation.of(VariantWeight.class));

  private final FindingsConfig findings;

  private transient ValueState<HealthState> state;
  private transient BroadcastState<Long, VariantWeight> variants;
  private transient Map<HealthKey, HealthCounts> unsent;
  private transient Cut cut;

  public ExperimentHealthOperator(FindingsConfig findings) {
    this.findings = findings;
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    variants = getOperatorStateBackend().getBroadcastState(VARIANTS);
  }

  @Override
  public void open() throws Exception {
    super.open();
    state = getPartitionedState(STATE);
    unsent = new HashMap<>();
  }

  @Override
  public void processElement1(StreamRecord<HealthContribution> record) {
    unsent.merge(record.getValue().key(), record.getValue().counts(), HealthCounts::plus);
  }

  @Override
  public void processElement2(StreamRecord<Either<Cut, Change>> record) throws Exception {
    if (record.getValue().isLeft()) {
      cut = record.getValue().left();
      return;
    }
    Change change = record.getValue().right();
    if (change.table() != SourceTable.VARIANTS) {
      return;
    }
    if (change.kind() == ChangeKind.DELETE || change.kind() == ChangeKind.KEY_CHANGE) {
      variants.remove(((VariantRow) change.before()).id());
    } else {
      VariantRow row = (VariantRow) change.after();
      variants.put(row.id(), new VariantWeight(row.experimentId(), row.allocationPct()));
    }
  }

  @Override
  public void prepareSnapshotPreBarrier(long checkpointId) throws Exception {
    Map<Long, NavigableMap<HealthKey, HealthCounts>> byExperiment = new TreeMap<>();
    unsent.forEach(
        (key, counts) ->
            byExperiment
                .computeIfAbsent(key.experimentId(), id -> new TreeMap<>(HealthLedger.ORDER))
                .put(key, counts));
    unsent.clear();
    for (Map.Entry<Long, NavigableMap<HealthKey, HealthCounts>> entry : byExperiment.entrySet()) {
      setCurrentKey(entry.getKey());
      restate(entry.getKey(), entry.getValue());
    }
    if (cut != null) {
      output.collect(new StreamRecord<>(Either.Left(cut)));
      output.collect(FINDINGS, new StreamRecord<>(Either.Left(cut)));
    }
  }

  private void restate(long experimentId, NavigableMap<HealthKey, HealthCounts> changes)
      throws Exception {
    HealthState old = state.value() == null ? HealthState.EMPTY : state.value();
    HealthLedger ledger = HealthLedger.of(experimentId, old);
    ledger.add(changes);

    Map<Long, Integer> weights = new TreeMap<>();
    for (Map.Entry<Long, VariantWeight> variant : variants.immutableEntries()) {
      if (variant.getValue().experimentId() == experimentId) {
        weights.put(variant.getKey(), variant.getValue().allocationPct());
      }
    }
    Cut asOf = cut == null ? new Cut(0, 0, 0, false, false) : cut;
    long version = Math.max(old.version() + 1, RowVersion.ofStamp(asOf.stamp()));
    TreeSet<Integer> days = new TreeSet<>(ledger.days());
    days.addAll(changes.keySet().stream().map(HealthKey::dayEpoch).toList());
    for (int day : days.tailSet(changes.firstKey().dayEpoch())) {
      ExperimentHealth row =
          ledger.asOf(
              day,
              weights,
              new RowVersion(
                  asOf.lsn(), asOf.committedAt(), version, !ledger.days().contains(day), ""));
      output.collect(new StreamRecord<>(Either.Right(row)));
    }
    boolean mismatch = ledger.isMismatch(weights, findings);
    if (mismatch != old.srmOpen()) {
      reportSrm(experimentId, mismatch, ledger.sampleRatio(weights), asOf, version);
    }
    state.update(ledger.toState(mismatch, version));
  }

  private void reportSrm(
      long experimentId, boolean mismatch, SampleRatio ratio, Cut asOf, long version) {
    output.collect(
        FINDINGS,
        new StreamRecord<>(
            Either.Right(
                new Finding(
                    FindingCode.H_SRM,
                    "experiment:" + experimentId,
                    mismatch,
                    experimentId,
                    null,
                    null,
                    "chi-square %.2f with %d degrees of freedom, p = %.3g"
                        .formatted(ratio.chiSquare(), ratio.degreesOfFreedom(), ratio.p()),
                    asOf.committedAt(),
                    asOf.lsn(),
                    version))));
  }
}
