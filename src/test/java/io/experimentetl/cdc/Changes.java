package io.experimentetl.cdc;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.HeartbeatRow;
import io.experimentetl.model.OutboxRow;
import io.experimentetl.model.ReplicatedRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.SubjectKind;
import io.experimentetl.model.TransactionEnd;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.UserRow;
import io.experimentetl.model.VariantRow;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;

/** Any possible change. */
final class Changes {

  private Changes() {}

  static Arbitrary<Change> any() {
    return Arbitraries.of(SourceTable.values())
        .flatMap(
            table ->
                Combinators.combine(
                        Arbitraries.of(ChangeKind.values()),
                        Arbitraries.longs(),
                        positions(),
                        rows(table).injectNull(0.3),
                        Arbitraries.oneOf(rows(table), ends()).injectNull(0.3),
                        Arbitraries.of(true, false))
                    .as(
                        (kind, sequenceNumber, position, before, after, beforeWhole) ->
                            new Change(
                                table,
                                kind,
                                sequenceNumber,
                                position,
                                before,
                                after,
                                beforeWhole)));
  }

  private static Arbitrary<SourceRow> ends() {
    return text().map(user -> new TransactionEnd(user, user.length() % 2 == 0));
  }

  private static Arbitrary<SourcePosition> positions() {
    return Combinators.combine(
            Arbitraries.longs(),
            Arbitraries.longs(),
            Arbitraries.longs(),
            Arbitraries.integers(),
            Arbitraries.longs())
        .as(SourcePosition::new);
  }

  private static Arbitrary<String> text() {
    return Arbitraries.strings()
        .ofMinLength(0)
        .ofMaxLength(300)
        .withCharRange('\u0001', '\u00ff')
        .withChars("€漢\u2028")
        .edgeCases(edges -> edges.add("x".repeat(70_000), "", "\uD83D\uDE00"));
  }

  private static Arbitrary<String> textOrNull() {
    return text().injectNull(0.3);
  }

  private static Arbitrary<Long> numberOrNull() {
    return Arbitraries.longs().injectNull(0.3);
  }

  private static Arbitrary<SourceRow> rows(SourceTable table) {
    Arbitrary<Long> number = Arbitraries.longs();
    Arbitrary<Integer> integer = Arbitraries.integers();
    Arbitrary<SourceRow> readable =
        Combinators.combine(
                number, number, integer, text(), textOrNull(), textOrNull(), numberOrNull(), number)
            .as(
                (a, b, i, t, u, v, n, m) ->
                    switch (table) {
                      case EXPERIMENTS -> new ExperimentRow(a, t, t, u, t, v, i, u, n, n, b, m);
                      case VARIANTS -> new VariantRow(a, b, t, t, u, i, i > 0, v, m, b);
                      case USERS -> new UserRow(t, u, v, u, i > 0, a, b);
                      case ASSIGNMENTS -> new AssignmentRow(a, b, t, m, i, t, u, a, n, b, m);
                      case EVENTS -> new EventRow(EventId.of(t), a, b, t, n, t, n, u, v, u, v, u);
                      case OUTBOX_EVENTS -> new OutboxRow(a, t, t, t, t, b, n);
                      case REPLICATED -> new ReplicatedRow(t, t, t, t);
                      case ETL_HEARTBEAT -> new HeartbeatRow(t, a);
                    });
    Arbitrary<SourceRow> unreadable =
        Combinators.combine(
                Arbitraries.of(SubjectKind.values()),
                text(),
                textOrNull(),
                Arbitraries.of(FindingCode.values()),
                text(),
                text())
            .as(
                (kind, key, id, code, column, reason) ->
                    new UnreadableRow(
                        table,
                        new Subject(kind, key),
                        id == null ? null : EventId.of(id),
                        code,
                        column,
                        reason));
    return Arbitraries.oneOf(readable, unreadable);
  }
}
