package io.experimentetl.cdc;

import io.experimentetl.clickhouse.MetricScope;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.UsersTruncate;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.TransactionEnd;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.UserRow;
import io.experimentetl.quality.FindingReporter;
import io.experimentetl.warehouse.WarehouseRange;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.List;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;
import org.apache.flink.util.OutputTag;

/**
 * {@code route}: sends each change to the output of its table. Changes of users, assignments and
 * events go to the main output, which is then keyed by user. Dimensions go to side outputs, each
 * with the progress markers. A transaction's end follows its rows to the users of whom it deleted
 * rows. Unreadable rows become findings. The watermark is the commit time of the stream's changes.
 * The snapshot does not move it, because its rows come in any order.
 */
public final class RouteOperator extends ChainedOperator<Change>
    implements OneInputStreamOperator<Either<ProgressMarker, Change>, Change> {

  private static final long serialVersionUID = 1L;

  /** Experiments and variants, for all subtasks of attribute. */
  public static final OutputTag<Either<ProgressMarker, Change>> DIMENSIONS = tag("dimensions");

  public static final OutputTag<Either<ProgressMarker, Change>> EXPERIMENTS = tag("experiments");
  public static final OutputTag<Either<ProgressMarker, Change>> VARIANTS = tag("variants");
  public static final OutputTag<Either<ProgressMarker, Change>> USERS = tag("users");

  /** Rows of the outbox. */
  public static final OutputTag<Change> OUTBOX = new OutputTag<>("outbox", ChangeTypeInfo.INSTANCE);

  /** About unreadable rows, drifted columns, and experiments with an unknown status. */
  public static final OutputTag<Either<ProgressMarker, Finding>> FINDINGS =
      new OutputTag<>("route-findings", TypeInformation.of(new TypeHint<>() {}));

  private static final List<OutputTag<Either<ProgressMarker, Change>>> WITH_MARKERS =
      List.of(DIMENSIONS, EXPERIMENTS, VARIANTS, USERS);

  private static final long WATERMARK_STEP_MILLIS = 200;

  private static final ListStateDescriptor<DeadLetterLedger.Row> DEAD_LETTERS =
      new ListStateDescriptor<>("dead-letters", TypeInformation.of(DeadLetterLedger.Row.class));

  private static final ListStateDescriptor<Boolean> RETENTION =
      new ListStateDescriptor<>("retention-transaction", Types.BOOLEAN);
  private static final ListStateDescriptor<ChangedKeys.FirstHalf> FIRST_HALVES =
      new ListStateDescriptor<>("first-halves", TypeInformation.of(ChangedKeys.FirstHalf.class));

  private static final ListStateDescriptor<RenamedUsers.Entry> RENAMED_USERS =
      new ListStateDescriptor<>("renamed-users", TypeInformation.of(RenamedUsers.Entry.class));

  private static final ListStateDescriptor<OpenTransaction.State> OPEN_TRANSACTION =
      new ListStateDescriptor<>(
          "open-transaction", TypeInformation.of(OpenTransaction.State.class));

  private static final ListStateDescriptor<TruncatedTables.State> TRUNCATED_TABLES =
      new ListStateDescriptor<>(
          "truncated-tables", TypeInformation.of(TruncatedTables.State.class));

  private static final ListStateDescriptor<VariantNumbers.State> VARIANT_NUMBERS =
      new ListStateDescriptor<>("variant-numbers", TypeInformation.of(VariantNumbers.State.class));

  private final int keyGroups;
  private final UsersTruncate usersTruncate;
  private final SourceMapping mapping;

  private static final ListStateDescriptor<Boolean> SNAPSHOT_DONE =
      new ListStateDescriptor<>("snapshot-done", Types.BOOLEAN);

  private transient ListState<DeadLetterLedger.Row> deadLetterState;
  private transient ListState<OpenTransaction.State> transactionState;
  private transient OpenTransaction transaction;
  private transient ListState<ChangedKeys.FirstHalf> firstHalfState;
  private transient ListState<RenamedUsers.Entry> renamedUserState;
  private transient ListState<Boolean> snapshotDoneState;
  private transient boolean snapshotDone;
  private transient ChangedKeys changedKeys;
  private transient RenamedUsers renamedUsers;
  private transient DeadLetterLedger deadLetters;
  private transient ListState<Boolean> retentionState;
  private transient RetentionTransaction retention;
  private transient ListState<TruncatedTables.State> truncatedTableState;
  private transient TruncatedTables truncatedTables;
  private transient ListState<VariantNumbers.State> variantNumberState;
  private transient VariantNumbers variantNumbers;
  private transient FindingReporter findings;
  private transient DimensionChecks dimensions;
  private transient DeadLetterFindings undelivered;
  private transient Counter outboxRows;
  private transient long watermark;

  /**
   * The operator.
   *
   * @param keyGroups number of key groups of the operator that is keyed by user
   * @param usersTruncate what a TRUNCATE of {@code users} means
   * @param mapping how the source's tables name experiments and variants
   */
  public RouteOperator(int keyGroups, UsersTruncate usersTruncate, SourceMapping mapping) {
    this.keyGroups = keyGroups;
    this.usersTruncate = usersTruncate;
    this.mapping = mapping;
  }

  private static OutputTag<Either<ProgressMarker, Change>> tag(String name) {
    return new OutputTag<>(name, PostgresChanges.TYPE);
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    deadLetterState = context.getOperatorStateStore().getListState(DEAD_LETTERS);
    deadLetters = new DeadLetterLedger(deadLetterState.get());
    retentionState = context.getOperatorStateStore().getListState(RETENTION);
    retention = new RetentionTransaction(retentionState.get().iterator().hasNext());
    truncatedTableState = context.getOperatorStateStore().getListState(TRUNCATED_TABLES);
    Iterator<TruncatedTables.State> truncated = truncatedTableState.get().iterator();
    truncatedTables =
        new TruncatedTables(truncated.hasNext() ? truncated.next() : TruncatedTables.State.NONE);
    variantNumberState = context.getOperatorStateStore().getListState(VARIANT_NUMBERS);
    Iterator<VariantNumbers.State> numbers = variantNumberState.get().iterator();
    variantNumbers =
        new VariantNumbers(mapping, numbers.hasNext() ? numbers.next() : VariantNumbers.State.NONE);
    transactionState = context.getOperatorStateStore().getListState(OPEN_TRANSACTION);
    Iterator<OpenTransaction.State> open = transactionState.get().iterator();
    transaction =
        new OpenTransaction(open.hasNext() ? open.next() : OpenTransaction.State.NONE, keyGroups);
    firstHalfState = context.getOperatorStateStore().getListState(FIRST_HALVES);
    changedKeys = new ChangedKeys(firstHalfState.get());
    renamedUserState = context.getOperatorStateStore().getListState(RENAMED_USERS);
    renamedUsers = new RenamedUsers(renamedUserState.get());
    snapshotDoneState = context.getOperatorStateStore().getListState(SNAPSHOT_DONE);
    snapshotDone = snapshotDoneState.get().iterator().hasNext();
  }

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    deadLetterState.update(deadLetters.all());
    retentionState.update(retention.isMarked() ? List.of(true) : List.of());
    variantNumberState.update(List.of(variantNumbers.state()));
    truncatedTableState.update(List.of(truncatedTables.state()));
    transactionState.update(List.of(transaction.state()));
    firstHalfState.update(changedKeys.state());
    renamedUserState.update(renamedUsers.entries());
    snapshotDoneState.update(snapshotDone ? List.of(true) : List.of());
  }

  @Override
  public void open() throws Exception {
    super.open();
    watermark = Long.MIN_VALUE;
    MetricGroup metrics = MetricScope.of(getMetricGroup());
    outboxRows = metrics.counter("outbox_rows_total");
    metrics.gauge("dead_letters", () -> deadLetters.size());
    metrics.gauge("dead_letters_forgotten_total", () -> deadLetters.forgotten());
    metrics.gauge("renamed_users", () -> renamedUsers.size());
    metrics.gauge("deletes_forgotten_total", () -> changedKeys.forgotten());
    findings =
        new FindingReporter(
            output,
            FINDINGS,
            metrics,
            EnumSet.of(
                FindingCode.S_UNPARSEABLE,
                FindingCode.S_NULL_REQUIRED,
                FindingCode.S_INCOMPLETE_ROW,
                FindingCode.S_UNKNOWN_ENUM,
                FindingCode.S_BAD_CONFIG,
                FindingCode.T_OUT_OF_RANGE,
                FindingCode.C_TRUNCATE,
                FindingCode.C_DELETE_RETENTION));
    undelivered = new DeadLetterFindings(deadLetters, findings);
    dimensions = new DimensionChecks(findings);
  }

  @Override
  public void processElement(StreamRecord<Either<ProgressMarker, Change>> record) {
    if (record.getValue().isLeft()) {
      snapshotDone |= record.getValue().left().snapshotDone();
      for (OutputTag<Either<ProgressMarker, Change>> dimension : WITH_MARKERS) {
        output.collect(dimension, record);
      }
      return;
    }
    Change change = variantNumbers.numbered(record.getValue().right());
    if (change.kind() == ChangeKind.COMMIT) {
      endTransaction(change.position().lsn());
    } else if (change.position().txId() == 0) {
      // Of the snapshot, an older warehouse or the configuration: also between a transaction's.
      apply(change);
    } else {
      processInTransaction(change);
    }
  }

  private void processInTransaction(Change change) {
    if (transaction.isEndedBy(change.position())) {
      endTransaction(change.position().previousCommitLsn());
    }
    transaction.add(change);
    ChangeKind kind = retention.kindOf(change);
    pair(kind == change.kind() ? change : change.as(kind, change.before(), change.after()));
    advance(change);
  }

  /** A truncate is judged at the commit. Until then it concerns the rows before it. */
  private void truncate(Change change) {
    TruncatedTables.requireOneTable(change, mapping);
    switch (change.table()) {
      case USERS -> {
        // Without a table of users it was that of the requests, which erase nobody any more.
        if (usersTruncate == UsersTruncate.REFUSE && mapping.hasUsers()) {
          throw new SuppressRestartsException(
              new IllegalStateException(TruncatedTables.refusal(change.position())));
        }
        truncateByUser(change);
      }
      case ASSIGNMENTS, EVENTS -> truncateByUser(change);
      case EXPERIMENTS, VARIANTS -> {
        // The commit sends the deletes.
      }
      case REPLICATED -> {
        undelivered.resolveAll(change, change.table().subjectKind());
        send(change);
        return;
      }
      case OUTBOX_EVENTS, ETL_HEARTBEAT -> {
        // Rows of the outbox are relayed when they are inserted; the heartbeat's are not needed.
        return;
      }
    }
    undelivered.resolveAll(change, change.table().subjectKind());
    truncatedTables.add(change);
  }

  private void truncateByUser(Change change) {
    transaction.awaitAll();
    for (Change truncate : transaction.ofEveryKeyGroup(change)) {
      output.collect(new StreamRecord<>(truncate));
    }
  }

  private void endTransaction(long commitLsn) {
    Change held = changedKeys.endTransaction();
    if (held != null) {
      apply(held);
    }
    retention.endTransaction();
    truncatedTables.deletes().forEach(this::send);
    truncatedTables.findings().forEach(findings::report);
    for (Change end : transaction.end(commitLsn)) {
      output.collect(new StreamRecord<>(end));
    }
  }

  private void pair(Change change) {
    ChangedKeys.FirstHalf first = changedKeys.completedBy(change);
    if (first != null) {
      complete(first, change);
      return;
    }
    Change held = changedKeys.release(change.position());
    if (held != null) {
      apply(held);
    }
    if (!changedKeys.hold(change)) {
      apply(change);
    }
  }

  private void apply(Change change) {
    switch (change.kind()) {
      case DELETE, RETENTION_DELETE, KEY_CHANGE, ERASE -> sendDelete(change, change.kind());
      case UPDATE -> update(change, RowKey.changes(change));
      case TRUNCATE, RETENTION_TRUNCATE -> truncate(change);
      default -> write(change);
    }
  }

  /** Applies both halves as one update. The first one may have been passed on as a delete. */
  private void complete(ChangedKeys.FirstHalf first, Change second) {
    Change update = first.updateBy(second);
    boolean changesKey = RowKey.changes(update);
    if (changesKey && first.passedOn()) {
      // With the number of the delete, which is then known to be none.
      sendDelete(first.delete(), ChangeKind.KEY_CHANGE);
      write(update);
    } else {
      update(update, changesKey);
    }
  }

  private void update(Change change, boolean changesKey) {
    if (!changesKey) {
      write(change);
    } else if (WarehouseRange.keyOutside(change.table(), change.before()) != null) {
      // Nothing of the row is known yet under its old key.
      sendDelete(change, ChangeKind.KEY_CHANGE);
      write(change.as(ChangeKind.INSERT, null, change.after()));
    } else if (change.before() instanceof UserRow before) {
      rename(change, before);
    } else if (!isOfRenamedUser(change)) {
      sendDelete(change, ChangeKind.KEY_CHANGE);
      write(change);
    } else if (RowKey.changesUserOnly(change.before(), change.after())) {
      write(change.as(ChangeKind.RENAME, change.before(), change.after()));
    } else {
      String key = renamedUsers.keyOf(RowKey.userIdOf(change.after()));
      sendDelete(change.underUserKey(key), ChangeKind.KEY_CHANGE);
      write(change);
    }
  }

  /** The row as it is after the change. */
  private void write(Change change) {
    UnreadableRow unreadable = DeadLetterFindings.unreadable(change.table(), change.after());
    if (unreadable != null) {
      undelivered.add(change, unreadable);
      return;
    }
    if (change.after() instanceof UserRow user) {
      renamedUsers.use(user.userId());
    }
    undelivered.resolve(change, change.after());
    send(change);
  }

  /** The user's facts follow to the new id, whether or not the user's row can be delivered. */
  private void rename(Change change, UserRow before) {
    UserRow after =
        change.after() instanceof UserRow row
            ? row
            : before.withUserId(((UnreadableRow) change.after()).subject().key());
    undelivered.resolve(change, before);
    SourceRow old = within(change, before);
    output.collect(
        USERS, new StreamRecord<>(Either.Right(change.as(ChangeKind.KEY_CHANGE, old, null))));
    UnreadableRow unreadable = DeadLetterFindings.unreadable(change.table(), change.after());
    if (unreadable == null) {
      undelivered.resolve(change, after);
      output.collect(
          USERS, new StreamRecord<>(Either.Right(change.as(ChangeKind.INSERT, null, after))));
    } else {
      undelivered.add(change, unreadable);
    }
    if (!snapshotDone) {
      // The snapshot may have read the user under the new id already: the facts move one by one.
      sendByUser(change.as(ChangeKind.KEY_CHANGE, old, null));
      sendByUser(change.as(ChangeKind.INSERT, null, within(change, after)));
      return;
    }
    String key = renamedUsers.keyOf(before.userId());
    renamedUsers.rename(before.userId(), after.userId(), change.sequenceNumber());
    output.collect(
        new StreamRecord<>(
            change.as(ChangeKind.RENAME, old, within(change, after)).underUserKey(key)));
  }

  private static SourceRow within(Change change, SourceRow row) {
    return WarehouseRange.within(change.table(), row, change.position().committedAt());
  }

  /** Whether the fact was and is of one user, who has got another id. */
  private boolean isOfRenamedUser(Change change) {
    String before = RowKey.userIdOf(change.before());
    String after = RowKey.userIdOf(change.after());
    return before != null && after != null && renamedUsers.formerIdsOf(after).contains(before);
  }

  /**
   * The row has another key now, or was deleted: the warehouse must delete it, whether or not its
   * last version could be delivered.
   */
  private void sendDelete(Change change, ChangeKind kind) {
    SourceRow row = change.before();
    if (row == null) {
      send(change);
      return;
    }
    if (row instanceof UnreadableRow unreadable) {
      undelivered.add(change, unreadable);
      return;
    }
    undelivered.resolve(change, row);
    if (WarehouseRange.keyOutside(change.table(), row) == null) {
      send(change.as(kind, within(change, row), null));
    }
    if (kind.isDelete() && row instanceof UserRow user) {
      eraseFormerIds(change, user);
    }
  }

  /** Erases with the user the warehouse's rows of former ids. */
  private void eraseFormerIds(Change change, UserRow user) {
    for (String formerId : renamedUsers.formerIdsOf(user.userId())) {
      output.collect(
          USERS,
          new StreamRecord<>(
              Either.Right(
                  change.as(ChangeKind.DELETE, within(change, user.withUserId(formerId)), null))));
    }
  }

  private void send(Change change) {
    switch (change.table()) {
      case EXPERIMENTS, VARIANTS -> {
        dimensions.check(change);
        sendDimension(change);
        output.collect(
            change.table() == SourceTable.EXPERIMENTS ? EXPERIMENTS : VARIANTS,
            new StreamRecord<>(Either.Right(change)));
      }
      case USERS -> {
        dimensions.check(change);
        output.collect(USERS, new StreamRecord<>(Either.Right(change)));
        sendByUser(change);
      }
      case ASSIGNMENTS, EVENTS -> sendByUser(change);
      case OUTBOX_EVENTS -> {
        outboxRows.inc();
        output.collect(OUTBOX, new StreamRecord<>(change));
      }
      case REPLICATED ->
          ReplicatedBuckets.of(change)
              .forEach(part -> output.collect(ReplicatedBuckets.OUTPUT, new StreamRecord<>(part)));
      case ETL_HEARTBEAT -> {
        // It has moved the progress marker and the watermark; no output needs it.
      }
    }
  }

  /** What retention has deleted stays joined with its facts; its row says why it is there. */
  private void sendDimension(Change change) {
    truncatedTables.observe(change);
    if (change.kind() != ChangeKind.RETENTION_DELETE) {
      output.collect(DIMENSIONS, new StreamRecord<>(Either.Right(change)));
    }
  }

  private void sendByUser(Change change) {
    String userId = userOf(change);
    String key = change.userKey() == null ? renamedUsers.keyOf(userId) : userId;
    boolean isDelete = change.kind().isDelete() || change.kind() == ChangeKind.RETENTION_DELETE;
    if (isDelete && change.position().lsn() != 0) {
      transaction.await(key);
    }
    output.collect(new StreamRecord<>(key.equals(userId) ? change : change.underUserKey(key)));
  }

  private void advance(Change change) {
    long complete = change.position().committedAt() / 1000 - 1;
    if (complete >= watermark + WATERMARK_STEP_MILLIS || watermark == Long.MIN_VALUE) {
      watermark = complete;
      output.emitWatermark(new Watermark(complete));
    }
  }

  /** This operator generates its own watermarks. */
  @Override
  public void processWatermark(Watermark mark) {}

  /** The key of the main output's changes. */
  public static String userOf(Change change) {
    if (change.userKey() != null) {
      return change.userKey();
    }
    if (change.after() instanceof TransactionEnd end) {
      return end.userKey();
    }
    return RowKey.userIdOf(change.after() == null ? change.before() : change.after());
  }
}
