package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.EntityNumber;
import io.experimentetl.mapping.KeyText;
import io.experimentetl.mapping.Origin;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.VariantRow;
import java.util.List;
import org.junit.jupiter.api.Test;

class VariantNumbersTest {
  private static final long CHECKOUT = EntityNumber.of(SourceTable.EXPERIMENTS, "checkout");

  /** Facts name experiments and variants by key, and variants name experiments by id. */
  private static final SourceMapping BY_KEY =
      new SourceMapping(
          "public",
          List.of(
              TableBinding.defaults(SourceTable.EXPERIMENTS, "public")
                  .with("id", byKey(SourceTable.EXPERIMENTS)),
              TableBinding.defaults(SourceTable.VARIANTS, "public")
                  .with("id", byKey(SourceTable.VARIANTS))));

  private static ColumnBinding byKey(SourceTable table) {
    return ColumnBinding.of(new Origin.Number(table, new Origin.Column("key"), true));
  }

  private static Change change(
      SourceTable table, ChangeKind kind, SourceRow before, SourceRow after) {
    return new Change(table, kind, 0, new SourcePosition(0, 5, 1, 0, 0), before, after);
  }

  private static ExperimentRow experiment(long number, String ownId, String key) {
    return new ExperimentRow(
        number, key, key, null, "ACTIVE", null, 1, null, null, null, 0, 0, ownId);
  }

  private static VariantRow variant(long experimentId, String key) {
    return new VariantRow(1, experimentId, key, key, null, 50, false, null, 0, 0, "8");
  }

  private static VariantRow numbered(String key) {
    return variant(7, key)
        .numbered(
            EntityNumber.of(
                SourceTable.VARIANTS, KeyText.of(List.of(Long.toString(CHECKOUT), key))),
            CHECKOUT);
  }

  @Test
  void variantGetsTheNumberOfItsExperimentAlsoAfterARestart() {
    VariantNumbers numbers = new VariantNumbers(BY_KEY, VariantNumbers.State.NONE);
    numbers.numbered(
        change(
            SourceTable.EXPERIMENTS,
            ChangeKind.INSERT,
            null,
            experiment(CHECKOUT, "7", "checkout")));
    numbers = new VariantNumbers(BY_KEY, numbers.state());
    Change update =
        numbers.numbered(
            change(SourceTable.VARIANTS, ChangeKind.UPDATE, variant(7, "a"), variant(7, "b")));
    assertThat(update.before()).isEqualTo(numbered("a"));
    assertThat(update.after()).isEqualTo(numbered("b"));
  }

  @Test
  void variantOfADeletedExperimentIsDeletedUnderItsNumber() {
    VariantNumbers numbers = new VariantNumbers(BY_KEY, VariantNumbers.State.NONE);
    numbers.numbered(
        change(
            SourceTable.EXPERIMENTS,
            ChangeKind.DELETE,
            experiment(CHECKOUT, "7", "checkout"),
            null));
    assertThat(
            numbers
                .numbered(change(SourceTable.VARIANTS, ChangeKind.DELETE, variant(7, "a"), null))
                .before())
        .isEqualTo(numbered("a"));
  }

  @Test
  void variantOfAnUnknownExperimentIsUnreadable() {
    VariantNumbers numbers = new VariantNumbers(BY_KEY, VariantNumbers.State.NONE);
    assertThat(
            numbers
                .numbered(change(SourceTable.VARIANTS, ChangeKind.INSERT, null, variant(7, "a")))
                .after())
        .isInstanceOf(UnreadableRow.class);
  }

  @Test
  void numbersByIdStayAsTheyAre() {
    VariantNumbers numbers =
        new VariantNumbers(SourceMapping.defaults("public"), VariantNumbers.State.NONE);
    Change insert = change(SourceTable.VARIANTS, ChangeKind.INSERT, null, variant(7, "a"));
    assertThat(numbers.numbered(insert)).isSameAs(insert);
  }

  @Test
  void twoExperimentsWithOneNumberAreRefusedByName() {
    DimensionRows rows = new DimensionRows(DimensionRows.State.NONE);
    rows.observe(
        change(SourceTable.EXPERIMENTS, ChangeKind.INSERT, null, experiment(5, "x", "checkout")));
    // The same row again, under another key or another id of its own.
    rows.observe(
        change(SourceTable.EXPERIMENTS, ChangeKind.READ, null, experiment(5, "x", "basket")));
    rows.observe(
        change(SourceTable.EXPERIMENTS, ChangeKind.READ, null, experiment(5, "y", "basket")));
    Change other =
        change(SourceTable.EXPERIMENTS, ChangeKind.INSERT, null, experiment(5, "z", "banner"));
    assertThatThrownBy(() -> rows.observe(other))
        .cause()
        .hasMessageContaining("basket (id y) and banner (id z) have the same number 5 here");
  }

  @Test
  void experimentWithTheNumberOfSharedFactsIsRefusedByName() {
    Change change =
        change(SourceTable.EXPERIMENTS, ChangeKind.INSERT, null, experiment(0, null, "first"));
    SourceMapping shared =
        new SourceMapping(
            "public",
            List.of(
                TableBinding.defaults(SourceTable.EVENTS, "public")
                    .with("experiment_id", ColumnBinding.of(Origin.Constant.SHARED))));
    VariantNumbers refusing = new VariantNumbers(shared, VariantNumbers.State.NONE);
    assertThatThrownBy(() -> refusing.numbered(change))
        .cause()
        .hasMessageStartingWith("Experiment first has the id 0, by which facts are kept that name");
    VariantNumbers ofDefaults =
        new VariantNumbers(SourceMapping.defaults("public"), VariantNumbers.State.NONE);
    assertThat(ofDefaults.numbered(change)).isSameAs(change);
  }

  @Test
  void truncateOfOneOfSeveralTablesIsRefused() {
    SourceMapping two =
        new SourceMapping(
            "public",
            List.of(
                TableBinding.defaults(SourceTable.EVENTS, "public"),
                TableBinding.defaults(SourceTable.EVENTS, "shop").with("event_type", null)));
    Change truncate = change(SourceTable.EVENTS, ChangeKind.TRUNCATE, null, null);
    assertThatThrownBy(() -> TruncatedTables.requireOneTable(truncate, two))
        .cause()
        .hasMessageStartingWith("One of the tables events, shop.events was truncated");
    TruncatedTables.requireOneTable(
        change(SourceTable.EVENTS, ChangeKind.RETENTION_TRUNCATE, null, null), two);
    TruncatedTables.requireOneTable(truncate, SourceMapping.defaults("public"));
  }
}
