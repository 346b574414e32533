package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.FoundTable;
import io.experimentetl.mapping.FoundTable.Column;
import io.experimentetl.mapping.FoundTable.Kind;
import io.experimentetl.mapping.Origin;
import io.experimentetl.mapping.RowFilter;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.mapping.TimeUnit;
import io.experimentetl.model.SourceTable;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class MappingCheckTest {
  private static final FoundTable ENROLLMENTS =
      new FoundTable(
          "ab",
          "enrollments",
          List.of(
              column("enrollment_id", "bigint", Kind.INTEGER),
              column("person", "text", Kind.TEXT),
              column("test", "text", Kind.TEXT),
              column("arm", "text", Kind.TEXT),
              column("at", "bigint", Kind.INTEGER),
              column("extra", "point", Kind.OTHER)),
          List.of(List.of("enrollment_id"), List.of("test", "person")),
          List.of());

  private static Column column(String name, String type, Kind kind) {
    return new Column(name, type, kind, true, List.of());
  }

  @Test
  void rightMappingHasNoProblem() {
    assertThat(problems(right(), ENROLLMENTS)).isEmpty();
  }

  @Test
  void missingColumnIsNamedAsTheSourceAndTheConfigurationNameIt() {
    Map<String, ColumnBinding> columns = right();
    columns.put("variant_id", ColumnBinding.column("armm"));
    columns.put("context", ColumnBinding.column("details"));
    assertThat(problems(columns, ENROLLMENTS))
        .containsExactly(
            "The table ab.enrollments in db has no column armm, which source.tables.assignments.columns.variant_id names: it has enrollment_id, person, test, arm, at, extra. Did you mean arm?",
            "The table ab.enrollments in db has no column details, which source.tables.assignments.columns.context names: it has enrollment_id, person, test, arm, at, extra.");
  }

  @Test
  void requiredColumnThatIsNotNamedIsLookedForUnderItsName() {
    Map<String, ColumnBinding> columns = right();
    columns.put("user_id", ColumnBinding.column("user_id"));
    assertThat(problems(columns, ENROLLMENTS))
        .containsExactly(
            "The table ab.enrollments in db has no column user_id: name one of enrollment_id, person, test, arm, at, extra in source.tables.assignments.columns.user_id.");
  }

  @Test
  void columnOfAnotherTypeIsRefusedWithTheRemedy() {
    Map<String, ColumnBinding> columns = right();
    columns.put("assigned_at", ColumnBinding.column("at"));
    columns.put("context", ColumnBinding.of(new Origin.JsonPath("at", List.of("k"))));
    columns.put("version", ColumnBinding.column("extra"));
    assertThat(problems(columns, ENROLLMENTS))
        .containsExactly(
            "source.tables.assignments.columns.version reads extra of ab.enrollments in db, which has the type point: an integer is needed.",
            "source.tables.assignments.columns.context reads at of ab.enrollments in db, which has the type bigint: a path leads into json or jsonb only.",
            "source.tables.assignments.columns.assigned_at reads at of ab.enrollments in db, which has the type bigint: say what it counts: {column: at, unit: s}, or ms, or us.");
  }

  @Test
  void rowMustBeIdentifiedByAKeyOfTheTable() {
    Map<String, ColumnBinding> columns = right();
    columns.put("id", ColumnBinding.column("arm"));
    columns.put("user_id", ColumnBinding.column("arm"));
    assertThat(problems(columns, ENROLLMENTS))
        .containsExactly(
            "source.tables.assignments identifies a row of ab.enrollments in db by arm, test, which is no key of the table: map id to the columns of a key (enrollment_id; test, person).");
    FoundTable heap =
        new FoundTable("ab", "enrollments", ENROLLMENTS.columns(), List.of(), List.of());
    assertThat(problems(right(), heap))
        .singleElement()
        .asString()
        .startsWith("The table ab.enrollments in db has no key, so its updates and deletes");
  }

  @Test
  void missingTableIsNamedWithTheOneThatWasMeant() {
    FoundTable other =
        new FoundTable("ab", "enrolments", ENROLLMENTS.columns(), List.of(), List.of());
    assertThat(problems(right(), other))
        .containsExactly(
            "The table ab.enrollments is missing in db: correct source.tables.assignments.table. Did you mean ab.enrolments?");
  }

  private static Map<String, ColumnBinding> right() {
    Map<String, ColumnBinding> columns = new LinkedHashMap<>();
    columns.put("id", ColumnBinding.column("enrollment_id"));
    columns.put("user_id", ColumnBinding.column("person"));
    columns.put(
        "experiment_id",
        ColumnBinding.of(
            new Origin.Number(SourceTable.EXPERIMENTS, new Origin.Column("test"), true)));
    columns.put(
        "variant_id",
        ColumnBinding.of(
            new Origin.Number(
                SourceTable.VARIANTS,
                new Origin.Key(List.of(new Origin.Column("test"), new Origin.Column("arm"))),
                true)));
    columns.put(
        "assigned_at",
        new ColumnBinding(new Origin.Column("at"), Map.of(), TimeUnit.MILLIS, null, null));
    return columns;
  }

  private static List<String> problems(Map<String, ColumnBinding> columns, FoundTable table) {
    TableBinding binding =
        new TableBinding(
            "assignments",
            SourceTable.ASSIGNMENTS,
            true,
            "ab",
            "enrollments",
            columns,
            new RowFilter(List.of(new RowFilter.Condition("arm", Set.of("x"), false, false))));
    return MappingCheck.problems(
        List.of(binding), List.of(table), "db", column -> !column.isOptional());
  }
}
