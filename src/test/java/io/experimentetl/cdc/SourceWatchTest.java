package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.cdc.Catalogues.Altered;
import io.experimentetl.cdc.SourceCatalogue.Membership;
import io.experimentetl.config.UnstreamedChanges;
import io.experimentetl.model.Finding;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class SourceWatchTest {
  private static final SourceCatalogue IN_ORDER = Catalogues.inOrder();

  private SourceCatalogue catalogue = IN_ORDER;
  private final List<ResyncRequest> requests = new ArrayList<>();
  private final List<PartitionAnnouncement> announced = new ArrayList<>();
  private final List<String> compared = new ArrayList<>();
  private final List<String> reread = new ArrayList<>();

  /** Results of the next comparisons; an empty queue: everything agrees. */
  private final ArrayDeque<TableComparison.Result> results = new ArrayDeque<>();

  private boolean comparable = true;
  private Set<SourceTable> partlySent = Set.of();
  private Set<StreamGap> gaps = Set.of();
  private SourceWatch watch;

  @BeforeEach
  void watchByDefault() {
    restart(UnstreamedChanges.STOP, WatchMemory.START);
  }

  private void restart(UnstreamedChanges policy, WatchMemory memory) {
    restart(policy, memory, (table, rows) -> rows.forEach(row -> reread.add(row.key())));
  }

  private void restart(UnstreamedChanges policy, WatchMemory memory, SourceWatch.RowSender sender) {
    watch =
        new SourceWatch(
            "experiment_etl",
            policy,
            EnumSet.complementOf(EnumSet.of(SourceTable.OUTBOX_EVENTS)),
            new Looks(),
            new Comparisons(),
            sender,
            memory);
  }

  private final class Looks implements SourceWatch.Source {
    @Override
    public SourceLook look() {
      return new SourceLook(catalogue, 1, List.copyOf(requests), List.copyOf(announced));
    }

    @Override
    public void complete(ResyncRequest request) {
      requests.remove(request);
    }
  }

  private final class Comparisons implements TableComparison {
    private static final long serialVersionUID = 1L;

    @Override
    public boolean covers(SourceTable table) {
      return table != SourceTable.OUTBOX_EVENTS && table != SourceTable.ETL_HEARTBEAT;
    }

    @Override
    public Result compare(SourceTable table, Optional<DayRange> days) throws IOException {
      if (!comparable) {
        throw new IOException("the warehouse is down");
      }
      compared.add(table.tableName() + days.map(range -> " " + range.from()).orElse(""));
      return results.isEmpty() ? new Result(8, 0, 0, 0, List.of()) : results.remove();
    }

    @Override
    public List<Subject> deletesReported(SourceTable table, Set<String> keys) {
      return keys.contains("a@1") ? List.of(new Subject(table.subjectKind(), "a@1")) : List.of();
    }
  }

  private static TableComparison.Result differing(String... keys) {
    List<TableComparison.DifferingRow> rows = new ArrayList<>();
    for (String key : keys) {
      rows.add(new TableComparison.DifferingRow(key, List.of()));
    }
    return new TableComparison.Result(16, keys.length, 0, 0, rows);
  }

  private WatchReport step() throws Exception {
    return watch.step(partlySent, gaps);
  }

  private static List<String> texts(WatchReport report) {
    return report.findings().stream().map(SourceWatchTest::text).toList();
  }

  private static String text(Finding finding) {
    return finding.code().code()
        + " "
        + finding.subject()
        + (finding.open() ? " open" : " resolved");
  }

  private void rewrite(String relation, long fileNode) {
    catalogue =
        Catalogues.with(catalogue, relation, same -> new Altered(same).fileNode(fileNode).build());
  }

  private void publish(String table, boolean published, String membership) {
    catalogue =
        Catalogues.with(
            catalogue,
            table,
            same ->
                new Altered(same)
                    .published(published)
                    .membership(new Membership("500", "700", membership))
                    .build());
  }

  private void columnsOfUsers(Map<String, Integer> columns) {
    catalogue =
        Catalogues.with(catalogue, "users", same -> new Altered(same).columns(columns).build());
  }

  @Test
  void columnThatWentIsComparedWhenItIsBack() throws Exception {
    columnsOfUsers(Map.of("id", 1, "name", 2));
    step();
    columnsOfUsers(Map.of("id", 1));
    step();
    assertThat(compared).isEmpty();
    restart(UnstreamedChanges.STOP, WatchMemory.parse(step().memory().print()));

    columnsOfUsers(Map.of("id", 1, "name", 2));
    results.add(differing("a"));
    WatchReport report = step();

    assertThat(compared).containsExactly("users");
    assertThat(texts(report)).containsExactly("C-UNSTREAMED source-table:users open");
    assertThat(report.stop()).contains("users got the column name", "resync --table users");
  }

  @Test
  void columnThatRowsCameWithoutIsComparedAlthoughEveryLookSawIt() throws Exception {
    columnsOfUsers(Map.of("id", 1, "name", 2));
    step();
    gaps = Set.of(new StreamGap(oid("users"), "name"), new StreamGap(oid("events"), "device_id"));
    step();
    assertThat(compared).containsExactly("users");
    gaps = Set.of();
    step();
    assertThat(compared).hasSize(1);
  }

  private long oid(String relation) {
    return catalogue.relations().stream()
        .filter(candidate -> candidate.name().equals(relation))
        .findAny()
        .orElseThrow()
        .oid();
  }

  @Test
  void rowsThatCameUnderAnotherNameAreComparedAlthoughEveryLookSawTheTable() throws Exception {
    step();
    gaps = Set.of(StreamGap.ofRows(oid("assignments")), StreamGap.ofRows(70_000));
    results.add(differing("a"));
    assertThat(step().stop()).contains("assignments had another name or schema for a while");
    assertThat(compared).containsExactly("assignments");
  }

  @Test
  void tableThatIsGoneIsAFaultAndComparedWhenItIsBack() throws Exception {
    SourceCatalogue whole = catalogue;
    step();
    catalogue = Catalogues.without(catalogue, "variants");
    assertThat(texts(step())).containsExactly("S-NOT-STREAMED source-table:variants open");
    assertThat(step().stop())
        .contains("variants was dropped, or has another name or schema", "002_etl.sql");

    restart(UnstreamedChanges.STOP, WatchMemory.parse(step().memory().print()));
    catalogue = whole;
    assertThat(texts(step())).containsExactly("S-NOT-STREAMED source-table:variants resolved");
    assertThat(compared).containsExactly("variants");
  }

  @Test
  void firstLookIsTheBase() throws Exception {
    WatchReport report = step();

    assertThat(report.memory().settled()).isEqualTo(IN_ORDER);
    assertThat(report.findings()).isEmpty();
    assertThat(compared).isEmpty();
  }

  @Test
  void rewriteThatLosesNothingIsNoFindingAndComparedOnce() throws Exception {
    step();
    rewrite("users", 1);

    assertThat(step().findings()).isEmpty();
    assertThat(step().stop()).isNull();
    assertThat(compared).containsExactly("users");
  }

  /** Kafka's topics: only Debezium can send rows again. */
  @Test
  void lostChangesOfASourceThatCannotReadRowsAgainStopTheJobWithAnotherRemedy() throws Exception {
    restart(UnstreamedChanges.STOP, WatchMemory.START, null);
    step();
    rewrite("users", 1);
    results.add(differing("u1"));

    assertThat(step().stop())
        .contains("users was truncated or rewritten", "1 rows differ", "Debezium")
        .doesNotContain("resync --table");
  }

  @Test
  void lostChangesStopTheJobAndAreSuspectedAgainAfterARestart() throws Exception {
    step();
    rewrite("users", 1);
    results.add(differing("u1", "u2"));

    WatchReport report = step();
    assertThat(texts(report)).containsExactly("C-UNSTREAMED source-table:users open");
    assertThat(report.findings().get(0).detail())
        .startsWith("users was truncated or rewritten, and 2 rows differ");
    assertThat(report.stop()).contains("users", "./etl resync --table users");
    assertThat(reread).isEmpty();

    restart(UnstreamedChanges.STOP, WatchMemory.parse(report.memory().print()));
    results.add(differing("u1", "u2"));
    assertThat(step().stop()).isNotNull();

    requests.add(ResyncRequest.of(SourceTable.USERS, "users"));
    results.add(differing("u1", "u2"));
    WatchReport resynced = step();
    assertThat(reread).containsExactly("u1", "u2");
    assertThat(texts(resynced)).containsExactly("C-UNSTREAMED source-table:users resolved");
    assertThat(resynced.stop()).isNull();
    assertThat(requests).isEmpty();
    assertThat(step().findings()).isEmpty();
  }

  @Test
  void lostChangesAreOnlyReportedWhereTheJobGoesOn() throws Exception {
    restart(UnstreamedChanges.REPORT, WatchMemory.START);
    step();
    rewrite("users", 1);
    results.add(differing("u1"));

    WatchReport report = step();
    assertThat(texts(report)).containsExactly("C-UNSTREAMED source-table:users open");
    assertThat(report.stop()).isNull();
    assertThat(step().findings()).isEmpty();
    assertThat(compared).containsExactly("users");
  }

  @Test
  void lostChangesAreReadAgainWhereTheJobRepairs() throws Exception {
    restart(UnstreamedChanges.REPAIR, WatchMemory.START);
    step();
    rewrite("variants", 1);
    results.add(differing("7"));

    WatchReport report = step();
    assertThat(reread).containsExactly("7");
    assertThat(report.stop()).isNull();
    assertThat(texts(report)).containsExactly("C-UNSTREAMED source-table:variants resolved");
    assertThat(report.findings().get(0).detail())
        .contains("variants was truncated or rewritten", "1 rows were read again");
  }

  @Test
  void rowsThatCannotBeMadeEqualAreReportedAfterABoundedNumberOfReads() throws Exception {
    restart(UnstreamedChanges.REPAIR, WatchMemory.START);
    step();
    rewrite("users", 1);
    for (int i = 0; i < 20; i++) {
      results.add(differing("u1"));
    }

    assertThat(texts(step())).containsExactly("C-UNSTREAMED source-table:users open");
    assertThat(reread).hasSizeBetween(1, 10);
  }

  @Test
  void attachedPartitionIsReadAndNoFinding() throws Exception {
    step();
    catalogue =
        Catalogues.and(
            catalogue,
            Catalogues.partition(
                "events_2026_04",
                41,
                "FOR VALUES FROM ('2026-04-01 00:00:00+00') TO ('2026-05-01 00:00:00+00')"));
    results.add(differing("a@1"));

    WatchReport report = step();
    assertThat(reread).containsExactly("a@1");
    assertThat(texts(report)).containsExactly("C-DELETE-UNEXPECTED event:a@1 resolved");
    assertThat(report.stop()).isNull();
    assertThat(compared).containsExactly("events 20544", "events 20544");
  }

  @Test
  void announcedPartitionIsNotComparedAndNotSuspectedWhenTheAnnouncementIsGone() throws Exception {
    step();
    catalogue = Catalogues.without(catalogue, "events_2026_03");
    announced.add(new PartitionAnnouncement("detach", 31, "710", "-"));
    results.add(differing("a@1"));

    WatchReport report = step();
    assertThat(report.stop()).isNull();
    assertThat(report.findings()).isEmpty();
    announced.clear();
    restart(UnstreamedChanges.STOP, report.memory());
    assertThat(step().findings()).isEmpty();
    assertThat(compared).isEmpty();
  }

  @Test
  void rewriteBesideAnAnnouncedPartitionIsCompared() throws Exception {
    step();
    catalogue = Catalogues.without(catalogue, "events_2026_03");
    announced.add(new PartitionAnnouncement("detach", 31, "710", "-"));
    rewrite("events_default", 1);
    results.add(differing("b@2"));

    assertThat(step().stop())
        .contains("events_default was truncated or rewritten")
        .doesNotContain("events_2026_03");
  }

  @Test
  void attachedPartitionBesideARewriteIsReadBeforeTheTableIsCompared() throws Exception {
    step();
    catalogue =
        Catalogues.and(
            catalogue,
            Catalogues.partition(
                "events_2026_04",
                41,
                "FOR VALUES FROM ('2026-04-01 00:00:00+00') TO ('2026-05-01 00:00:00+00')"));
    rewrite("events_default", 1);
    results.add(differing("a@1"));
    results.add(differing());
    results.add(differing("b@2"));

    assertThat(step().stop()).contains("events_default was truncated or rewritten");
    assertThat(reread).containsExactly("a@1");
  }

  @Test
  void whatCannotBeComparedNowIsComparedAtTheNextLook() throws Exception {
    step();
    rewrite("users", 1);
    comparable = false;
    assertThat(step().findings()).isEmpty();
    comparable = true;
    results.add(differing("u1"));

    assertThat(texts(step())).containsExactly("C-UNSTREAMED source-table:users open");
  }

  @Test
  void deleteThatCameByItsKeyAloneIsDecidedByTheRows() throws Exception {
    step();
    partlySent = Set.of(SourceTable.EVENTS);
    results.add(differing("a@1"));
    WatchReport report = step();

    assertThat(compared).containsExactly("events", "events");
    assertThat(reread).containsExactly("a@1");
    assertThat(report.settled()).containsExactly(SourceTable.EVENTS);
    assertThat(report.stop()).isNull();
    assertThat(report.findings()).noneMatch(Finding::open);
  }

  @Test
  void deleteByKeyAloneWaitsUntilTheRowsCanBeCompared() throws Exception {
    step();
    partlySent = Set.of(SourceTable.ASSIGNMENTS);
    comparable = false;

    assertThat(step().settled()).isEmpty();

    comparable = true;
    assertThat(step().settled()).containsExactly(SourceTable.ASSIGNMENTS);
  }

  @Test
  void rowsThatStayDifferentBehindADeleteByKeyAreReportedAndStopTheJob() throws Exception {
    step();
    partlySent = Set.of(SourceTable.EVENTS);
    for (int i = 0; i < 5; i++) {
      results.add(differing("b@2"));
    }
    WatchReport report = step();

    assertThat(texts(report)).containsExactly("C-UNSTREAMED source-table:events open");
    assertThat(report.stop()).contains("has sent changes without the old row");
  }

  @Test
  void faultIsReportedAtOnceAndStopsTheJobWhenTheNextLookSeesIt() throws Exception {
    step();
    publish("users", false, "");

    WatchReport first = step();
    assertThat(texts(first)).containsExactly("S-NOT-STREAMED source-table:users open");
    assertThat(first.stop()).isNull();

    WatchReport second = step();
    assertThat(second.findings()).isEmpty();
    assertThat(second.stop())
        .contains("users is not in the publication: apply sql/postgres/002_etl.sql.");
  }

  @Test
  void faultThatIsMendedIsResolvedAndTheTableCompared() throws Exception {
    step();
    publish("users", false, "");
    step();
    publish("users", true, "990 1");

    assertThat(texts(step())).containsExactly("S-NOT-STREAMED source-table:users resolved");
    assertThat(compared).containsExactly("users");
  }

  @Test
  void hiddenRowsAreReportedAndNotCompared() throws Exception {
    step();
    catalogue =
        Catalogues.with(
            catalogue, "users", same -> new Altered(same).rowSecurity().fileNode(1).build());

    assertThat(texts(step())).containsExactly("S-NOT-STREAMED source-table:users open");
    assertThat(step().stop()).as("the stream is not filtered").isNull();
    assertThat(compared).isEmpty();
  }

  @Test
  void outboxThatTheJobDoesNotReadIsNoFault() throws Exception {
    publish("outbox_events", false, "");

    assertThat(step().findings()).isEmpty();
  }

  @Test
  void requestForAPartitionComparesOnlyItsDays() throws Exception {
    step();
    requests.add(ResyncRequest.parse("resync events/events_2026_03"));
    results.add(differing("c@3"));

    step();
    assertThat(compared).containsExactly("events 20513", "events 20513");
    assertThat(reread).containsExactly("c@3");
    assertThat(requests).isEmpty();
  }

  @Test
  void requestThatNamesNoTableIsDropped() throws Exception {
    requests.add(ResyncRequest.parse("resync nothing"));
    requests.add(ResyncRequest.parse("resync events/events_1999_01"));

    step();
    assertThat(requests).isEmpty();
    assertThat(compared).isEmpty();
  }
}
