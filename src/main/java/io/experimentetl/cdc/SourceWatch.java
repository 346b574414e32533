package io.experimentetl.cdc;

import io.experimentetl.cdc.SourceCatalogue.Relation;
import io.experimentetl.cdc.TableComparison.DifferingRow;
import io.experimentetl.cdc.TableComparison.Result;
import io.experimentetl.config.UnstreamedChanges;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Lsn;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import java.io.IOException;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Notices changes of the source that never enter the stream. It looks at the source's catalogue
 * again and again:
 *
 * <ul>
 *   <li>A state in which changes are not streamed is a finding for as long as it lasts. Where it
 *       loses changes and the next look sees it again, the job stops by default.
 *   <li>A difference from the last look is a suspicion. The table, or the partition, is compared
 *       with the warehouse. Equal: nothing was lost. Different: an error finding, and the job stops
 *       by default. What partition maintenance has announced is no suspicion.
 *   <li>The rows of an attached partition, and of a table that someone requested, are read again
 *       where they differ. So are those of a table whose changes came without the old row: the key
 *       alone says which row is gone, and the warehouse says whose it was.
 * </ul>
 *
 * <p>What is settled is remembered table by table. A job that stopped suspects again after its
 * restart, and goes on when the rows agree.
 *
 * <p>One thread calls {@link #step}. It may take long; nothing else waits for it.
 */
final class SourceWatch {
  private static final Logger LOG = LoggerFactory.getLogger(SourceWatch.class);

  /** How often the same rows are read again before the difference is reported. */
  private static final int MAX_READS_IN_VAIN = 3;

  /**
   * Where these are the only suspicions, rows that differ are read again whatever the policy is.
   */
  private static final Set<SuspicionKind> REPAIRED =
      EnumSet.of(SuspicionKind.REQUESTED, SuspicionKind.ATTACHED, SuspicionKind.PARTLY_SENT);

  /** Sentences that a finding's text names. */
  private static final int MAX_NAMED = 5;

  /** Where the watch looks. */
  interface Source {
    SourceLook look() throws SQLException;

    /** Ends a request. */
    void complete(ResyncRequest request) throws SQLException;
  }

  /** Brings rows into the stream. */
  interface RowSender {
    /**
     * Reads the rows from the source and sends them, and deletes those that it no longer has.
     * Returns when they are in the stream.
     */
    void send(SourceTable table, List<DifferingRow> rows) throws SQLException, InterruptedException;
  }

  private final String publication;
  private final UnstreamedChanges policy;
  private final Set<SourceTable> captured;
  private final Source source;
  private final TableComparison comparison;
  private final RowSender sender;
  private WatchMemory memory;

  /** The losing faults that the last look saw. */
  private Set<String> lasting = Set.of();

  /** The tables that this step has settled. */
  private final Set<SourceTable> settledNow = EnumSet.noneOf(SourceTable.class);

  /**
   * A watch that goes on from what is remembered.
   *
   * @param captured the tables that the job needs
   * @param sender null: rows cannot be read again from this source
   */
  SourceWatch(
      String publication,
      UnstreamedChanges policy,
      Set<SourceTable> captured,
      Source source,
      TableComparison comparison,
      RowSender sender,
      WatchMemory memory) {
    this.publication = publication;
    this.policy = policy;
    this.captured = captured;
    this.source = source;
    this.comparison = comparison;
    this.sender = sender;
    this.memory = memory;
  }

  /**
   * Looks once, and settles what the look leads to.
   *
   * @param partlySent the tables of which changes came without the values of the old row
   * @param gaps what rows came without: a column or table that is there behind it is a new one
   * @throws SQLException the source does not answer; the next step tries again
   */
  WatchReport step(Set<SourceTable> partlySent, Set<StreamGap> gaps)
      throws SQLException, InterruptedException {
    SourceLook look = source.look();
    settledNow.clear();
    WatchMemory before = memory;
    boolean completed = false;
    try {
      WatchReport report = judge(look, partlySent, gaps);
      completed = true;
      return report;
    } finally {
      if (!completed) {
        // Its findings are not reported, so the next step must find them again.
        memory = before;
      }
    }
  }

  private WatchReport judge(SourceLook look, Set<SourceTable> partlySent, Set<StreamGap> gaps)
      throws SQLException, InterruptedException {
    List<Finding> findings = new ArrayList<>();
    List<StreamFault> faults =
        CatalogueComparison.faults(look.catalogue(), publication, known()).stream()
            .filter(fault -> fault.table() == null || captured.contains(fault.table()))
            .toList();
    String stop = reportFaults(faults, look, findings);
    if (memory.settled() == null) {
      memory = new WatchMemory(look.catalogue(), memory.faults(), memory.lost());
    }
    memory =
        new WatchMemory(
            memory.settled().without(look.catalogue(), gaps), memory.faults(), memory.lost());
    Set<SourceTable> hidden =
        faults.stream()
            .filter(StreamFault::hidesRows)
            .map(StreamFault::table)
            .collect(Collectors.toSet());
    for (Map.Entry<SourceTable, List<Suspicion>> suspected :
        suspicions(look, partlySent).entrySet()) {
      SourceTable table = suspected.getKey();
      List<Suspicion> unannounced =
          suspected.getValue().stream()
              .filter(suspicion -> suspicion.kind() != SuspicionKind.ANNOUNCED)
              .toList();
      if (unannounced.isEmpty()) {
        LOG.info("{}, as announced.", sentences(suspected.getValue()));
        settled(table, look);
        continue;
      }
      if (hidden.contains(table)) {
        continue;
      }
      String reason = settle(table, unannounced, look, findings);
      stop = stop == null ? reason : stop;
    }
    settledNow.retainAll(partlySent);
    return new WatchReport(memory, findings, Set.copyOf(settledNow), stop);
  }

  /** The captured tables that an earlier look has seen. */
  private Set<SourceTable> known() {
    return memory.settled() == null
        ? Set.of()
        : captured.stream()
            .filter(table -> !memory.settled().of(table).isEmpty())
            .collect(Collectors.toSet());
  }

  private Map<SourceTable, List<Suspicion>> suspicions(SourceLook look, Set<SourceTable> partlySent)
      throws SQLException {
    Map<SourceTable, List<Suspicion>> suspicions = new EnumMap<>(SourceTable.class);
    for (Suspicion suspicion :
        CatalogueComparison.between(memory.settled(), look.catalogue(), look.announced())) {
      suspicions.computeIfAbsent(suspicion.table(), none -> new ArrayList<>()).add(suspicion);
    }
    for (SourceTable table : partlySent) {
      suspicions
          .computeIfAbsent(table, none -> new ArrayList<>())
          .add(
              new Suspicion(
                  table,
                  table.tableName(),
                  null,
                  SuspicionKind.PARTLY_SENT,
                  "has sent changes without the old row, because it or a partition has no REPLICA IDENTITY FULL"));
    }
    for (ResyncRequest request : look.requests()) {
      Optional<Relation> relation =
          request.table() == null
              ? Optional.empty()
              : look.catalogue().of(request.table()).stream()
                  .filter(candidate -> candidate.name().equals(request.relation()))
                  .findAny();
      if (relation.isEmpty() || !comparison.covers(request.table())) {
        LOG.warn(
            "The request '{}' names no table of the warehouse and is dropped.", request.writer());
        source.complete(request);
        continue;
      }
      suspicions
          .computeIfAbsent(request.table(), none -> new ArrayList<>())
          .add(
              new Suspicion(
                  request.table(),
                  request.relation(),
                  relation.get().bound(),
                  SuspicionKind.REQUESTED,
                  "is to be read again"));
    }
    return suspicions;
  }

  /** Reports what is new, and returns why the job must stop, or null. */
  private String reportFaults(List<StreamFault> faults, SourceLook look, List<Finding> findings) {
    Map<String, List<StreamFault>> bySubject = new TreeMap<>();
    for (StreamFault fault : faults) {
      bySubject
          .computeIfAbsent(
              fault.table() == null ? "" : fault.table().tableName(), none -> new ArrayList<>())
          .add(fault);
    }
    Map<String, String> texts = new TreeMap<>();
    bySubject.forEach((subject, own) -> texts.put(subject, text(own)));
    texts.forEach(
        (subject, text) -> {
          if (!text.equals(memory.faults().get(subject))) {
            LOG.warn("Changes of the source do not reach the stream: {}", text);
            findings.add(
                Finding.opened(FindingCode.S_NOT_STREAMED, subjectOf(subject))
                    .detail(text)
                    .at(look.takenAt(), 0, 0));
          }
        });
    for (String subject : memory.faults().keySet()) {
      if (!texts.containsKey(subject)) {
        findings.add(
            Finding.resolved(FindingCode.S_NOT_STREAMED, subjectOf(subject))
                .detail("the table's changes are streamed again")
                .at(look.takenAt(), 0, 0));
      }
    }
    memory = new WatchMemory(memory.settled(), texts, memory.lost());
    Set<String> losing = new TreeSet<>();
    for (StreamFault fault : faults) {
      if (fault.losesChanges()) {
        losing.add(fault.sentence());
      }
    }
    Set<String> again = new TreeSet<>(losing);
    again.retainAll(lasting);
    lasting = losing;
    return again.isEmpty() || policy != UnstreamedChanges.STOP
        ? null
        : "Changes of the source are being lost: "
            + String.join(" ", again)
            + " Then start the job again from its last checkpoint: it compares the tables.";
  }

  private static Subject subjectOf(String table) {
    return table.isEmpty()
        ? Subject.pipeline()
        : Subject.sourceTable(SourceTable.ofTableName(table));
  }

  private static String text(List<StreamFault> faults) {
    return faults.stream()
            .limit(MAX_NAMED)
            .map(StreamFault::sentence)
            .collect(Collectors.joining(" "))
        + (faults.size() > MAX_NAMED ? " And " + (faults.size() - MAX_NAMED) + " more." : "");
  }

  private static String sentences(List<Suspicion> suspicions) {
    return suspicions.stream()
        .limit(MAX_NAMED)
        .map(Suspicion::sentence)
        .collect(Collectors.joining("; "));
  }

  /**
   * Compares a suspected table.
   *
   * @return why the job must stop, or null
   */
  private String settle(
      SourceTable table, List<Suspicion> suspicions, SourceLook look, List<Finding> findings)
      throws SQLException, InterruptedException {
    String reason = sentences(suspicions);
    if (!comparison.covers(table)) {
      LOG.warn(
          "{}: ClickHouse does not hold this table's rows, so they cannot be compared.", reason);
      settled(table, look);
      return null;
    }
    try {
      // Rows of an attached partition are expected to be missing. They are read first, so that
      // they are no difference of the table.
      boolean onlyAttached =
          suspicions.stream().allMatch(suspicion -> suspicion.kind() == SuspicionKind.ATTACHED);
      for (Suspicion suspicion : suspicions) {
        if (suspicion.kind() == SuspicionKind.ATTACHED && !onlyAttached) {
          LOG.info("{}: its rows are compared and read where they differ.", suspicion.sentence());
          resolveDeletes(table, compare(table, List.of(suspicion), true), look, findings);
        }
      }
      boolean repairs =
          policy == UnstreamedChanges.REPAIR
              || suspicions.stream().allMatch(suspicion -> REPAIRED.contains(suspicion.kind()))
              || suspicions.stream().anyMatch(SourceWatch::isRequestOfTable);
      LOG.info("{}: the rows are compared.", reason);
      Outcome outcome = compare(table, suspicions, repairs);
      resolveDeletes(table, outcome, look, findings);
      return conclude(table, reason, outcome, look, findings);
    } catch (IOException e) {
      LOG.warn(
          "{}: the rows cannot be compared now, and are at the next look. {}",
          reason,
          e.getMessage(),
          e);
      return null;
    }
  }

  /** Whether somebody has asked for the whole table. */
  private static boolean isRequestOfTable(Suspicion suspicion) {
    return suspicion.kind() == SuspicionKind.REQUESTED && suspicion.bound() == null;
  }

  private String conclude(
      SourceTable table, String reason, Outcome outcome, SourceLook look, List<Finding> findings)
      throws SQLException {
    Result result = outcome.result();
    if (result.isEqual()) {
      LOG.info("{}: PostgreSQL and ClickHouse agree.", reason);
      boolean isRepair = outcome.reread() > 0 && policy == UnstreamedChanges.REPAIR;
      if (memory.lost().contains(table) || isRepair) {
        findings.add(
            Finding.resolved(FindingCode.C_UNSTREAMED, Subject.sourceTable(table))
                .detail(
                    "%s; %d rows were read again, and PostgreSQL and ClickHouse agree at LSN %s"
                        .formatted(reason, outcome.reread(), Lsn.print(result.lsn())))
                .at(look.takenAt(), 0, 0));
      }
      settled(table, look);
      setLost(table, false);
    } else {
      String detail =
          "%s, and %d rows differ from ClickHouse at LSN %s: %d are missing there, %d are only there, %d have other values"
              .formatted(
                  reason,
                  result.differing(),
                  Lsn.print(result.lsn()),
                  result.missing(),
                  result.extra(),
                  result.different());
      LOG.error("Changes of {} never entered the stream: {}", table.tableName(), detail);
      findings.add(
          Finding.opened(FindingCode.C_UNSTREAMED, Subject.sourceTable(table))
              .detail(detail)
              .at(look.takenAt(), 0, 0));
      setLost(table, true);
      if (policy == UnstreamedChanges.STOP) {
        return "Changes of the table %s never entered the stream: %s. "
                .formatted(table.tableName(), detail)
            + (sender == null
                ? "Let Debezium take a new snapshot into empty topics, and " + Continuity.START_ANEW
                : "Read the table again: ./etl resync --table %s, and start the job from its last checkpoint."
                    .formatted(table.tableName()));
      }
      settled(table, look);
    }
    for (ResyncRequest request : look.requests()) {
      if (request.table() == table) {
        source.complete(request);
      }
    }
    return null;
  }

  private void settled(SourceTable table, SourceLook look) {
    settledNow.add(table);
    memory =
        new WatchMemory(
            memory.settled().with(table, look.catalogue()), memory.faults(), memory.lost());
  }

  private void setLost(SourceTable table, boolean isLost) {
    Set<SourceTable> lost = new HashSet<>(memory.lost());
    if (isLost ? lost.add(table) : lost.remove(table)) {
      memory = new WatchMemory(memory.settled(), memory.faults(), lost);
    }
  }

  /**
   * A comparison after rows were read again.
   *
   * @param reread number of rows that were read again
   * @param restored the keys of those that the warehouse did not have
   */
  private record Outcome(Result result, long reread, Set<String> restored) {}

  /** Compares the rows where the suspicions lie, and reads them again where that is allowed. */
  private Outcome compare(SourceTable table, List<Suspicion> suspicions, boolean repairs)
      throws IOException, SQLException, InterruptedException {
    List<Optional<DayRange>> ranges = rangesOf(suspicions);
    Result result = compare(table, ranges);
    long reread = 0;
    Set<String> restored = new HashSet<>();
    int inVain = 0;
    while (repairs && sender != null && !result.isEqual() && inVain < MAX_READS_IN_VAIN) {
      LOG.info("{} rows of {} are read again.", result.rows().size(), table.tableName());
      sender.send(table, result.rows());
      reread += result.rows().size();
      for (DifferingRow row : result.rows()) {
        if (row.inWarehouse().isEmpty()) {
          restored.add(row.key());
        }
      }
      Result next = compare(table, ranges);
      inVain = next.rows().equals(result.rows()) ? inVain + 1 : 0;
      result = next;
    }
    return new Outcome(result, reread, restored);
  }

  /**
   * Resolves the findings about deletes of rows that are there again: moved into a table that was
   * attached afterwards, they were only deleted in the stream.
   */
  private void resolveDeletes(
      SourceTable table, Outcome outcome, SourceLook look, List<Finding> findings)
      throws IOException {
    if (outcome.restored().isEmpty()) {
      return;
    }
    for (Subject subject : comparison.deletesReported(table, outcome.restored())) {
      findings.add(
          Finding.resolved(FindingCode.C_DELETE_UNEXPECTED, subject)
              .detail("the row is in PostgreSQL again, and was read again")
              .at(look.takenAt(), 0, 0));
    }
  }

  private static List<Optional<DayRange>> rangesOf(List<Suspicion> suspicions) {
    Set<Optional<DayRange>> ranges = new HashSet<>();
    suspicions.forEach(suspicion -> ranges.add(DayRange.ofBound(suspicion.bound())));
    return ranges.contains(Optional.<DayRange>empty())
        ? List.of(Optional.empty())
        : List.copyOf(ranges);
  }

  private Result compare(SourceTable table, List<Optional<DayRange>> ranges) throws IOException {
    Result sum = null;
    for (Optional<DayRange> range : ranges) {
      Result result = comparison.compare(table, range);
      sum = sum == null ? result : sum.plus(result);
    }
    return sum;
  }
}
