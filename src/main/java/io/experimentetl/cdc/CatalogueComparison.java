package io.experimentetl.cdc;

import io.experimentetl.cdc.SourceCatalogue.Membership;
import io.experimentetl.cdc.SourceCatalogue.Publication;
import io.experimentetl.cdc.SourceCatalogue.Relation;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** What a look at the source's catalogue means, alone and beside the look before. */
final class CatalogueComparison {
  private static final String ETL_SQL = "apply sql/postgres/002_etl.sql";
  private static final String MAPPED_ETL_SQL = "apply what the verb map prints";

  private CatalogueComparison() {}

  /**
   * The differences that may mean that rows changed without reaching the stream. What can be lost
   * is lost when it can be compared: while a {@link #faults fault} lasts it is only a fault.
   *
   * @param announced what partition maintenance says that it did
   */
  static List<Suspicion> between(
      SourceCatalogue before, SourceCatalogue now, List<PartitionAnnouncement> announced) {
    List<Suspicion> suspicions = new ArrayList<>();
    for (SourceTable table : SourceTable.values()) {
      Map<Long, Relation> old = byOid(before.of(table));
      Map<Long, Relation> current = byOid(now.of(table));
      if (old.isEmpty()) {
        continue;
      }
      for (Relation relation : current.values()) {
        Relation same = old.get(relation.oid());
        if (same == null) {
          suspicions.add(
              relation.partition()
                  ? suspicion(
                      relation,
                      kind(
                          SuspicionKind.ATTACHED,
                          PartitionAnnouncement.attached(relation, announced)),
                      "became a partition")
                  : suspicion(relation, SuspicionKind.FILE, "was dropped and created again"));
        } else {
          compare(same, relation, announced, suspicions);
        }
      }
      for (Relation gone : old.values()) {
        if (!current.containsKey(gone.oid()) && gone.partition()) {
          suspicions.add(
              suspicion(
                  gone,
                  kind(SuspicionKind.DETACHED, PartitionAnnouncement.detached(gone, announced)),
                  "was detached or dropped"));
        }
      }
      compareLabels(table, before, now, suspicions);
    }
    return suspicions;
  }

  private static Map<Long, Relation> byOid(List<Relation> relations) {
    Map<Long, Relation> byOid = new TreeMap<>();
    relations.forEach(relation -> byOid.put(relation.oid(), relation));
    return byOid;
  }

  private static Suspicion suspicion(Relation relation, SuspicionKind kind, String reason) {
    return new Suspicion(relation.table(), relation.name(), relation.bound(), kind, reason);
  }

  private static SuspicionKind kind(SuspicionKind kind, boolean isAnnounced) {
    return isAnnounced ? SuspicionKind.ANNOUNCED : kind;
  }

  private static void compare(
      Relation before,
      Relation now,
      List<PartitionAnnouncement> announced,
      List<Suspicion> suspicions) {
    if (before.fileNode() != now.fileNode()) {
      suspicions.add(
          suspicion(
              now,
              SuspicionKind.FILE,
              PartitionAnnouncement.rewritten(before, announced)
                  ? "was rewritten by an announced VACUUM FULL, or truncated as well"
                  : "was truncated or rewritten"));
    }
    if (now.partition()) {
      if (!before.attachment().equals(now.attachment())) {
        suspicions.add(
            suspicion(
                now,
                kind(
                    SuspicionKind.ATTACHED,
                    PartitionAnnouncement.attachedAgain(before, now, announced)),
                "was detached and attached again"));
      }
      return;
    }
    if (!before.name().equals(now.name())) {
      suspicions.add(
          suspicion(now, SuspicionKind.PUBLICATION, "had another name or schema for a while"));
    }
    if (now.published() && !before.membership().equals(now.membership())) {
      suspicions.add(
          suspicion(
              now, SuspicionKind.PUBLICATION, publication(before.membership(), now.membership())));
    }
    for (Map.Entry<String, Integer> column : now.columns().entrySet()) {
      if (!column.getValue().equals(before.columns().get(column.getKey()))) {
        suspicions.add(suspicion(now, SuspicionKind.COLUMN, "got the column " + column.getKey()));
      }
    }
    if (before.rowSecurity() && !now.rowSecurity()) {
      suspicions.add(suspicion(now, SuspicionKind.HIDDEN, "had rows that row security hid"));
    }
  }

  private static String publication(Membership before, Membership now) {
    if (!before.publication().equals(now.publication())) {
      return "is in a publication that was dropped and created again";
    }
    return before.membership().equals(now.membership())
        ? "is in a publication whose options were set"
        : "was taken out of the publication and added again, or its filter or column list changed";
  }

  private static void compareLabels(
      SourceTable table, SourceCatalogue before, SourceCatalogue now, List<Suspicion> suspicions) {
    Map<String, List<String>> labels = now.enums().getOrDefault(table, Map.of());
    before
        .enums()
        .getOrDefault(table, Map.of())
        .forEach(
            (column, old) -> {
              if (labels.containsKey(column) && !labels.get(column).containsAll(old)) {
                suspicions.add(
                    new Suspicion(
                        table,
                        nameOf(table, now),
                        null,
                        SuspicionKind.LABEL,
                        "has a column " + column + " whose enum lost or renamed a label"));
              }
            });
  }

  private static String nameOf(SourceTable table, SourceCatalogue now) {
    return now.of(table).stream()
        .filter(relation -> !relation.partition())
        .map(Relation::name)
        .findFirst()
        .orElse(table.tableName());
  }

  /**
   * What keeps changes out of the stream now, each with its remedy.
   *
   * @param captured the tables that must be there
   */
  static List<StreamFault> faults(
      SourceCatalogue now, String publicationName, Set<SourceTable> captured) {
    List<StreamFault> faults = new ArrayList<>();
    // The names of mapped tables have their schema.
    String etlSql =
        now.relations().stream().anyMatch(relation -> relation.name().indexOf('.') >= 0)
            ? MAPPED_ETL_SQL
            : ETL_SQL;
    Publication publication = now.publication();
    String name = "the publication " + publicationName;
    if (publication == null) {
      faults.add(
          new StreamFault(
              null,
              name,
              "does not exist",
              etlSql + ", and " + Continuity.START_ANEW,
              true,
              false));
      return faults;
    }
    if (!publication.insertsUpdatesDeletes()) {
      faults.add(
          new StreamFault(
              null,
              name,
              "does not publish all of insert, update, delete",
              etlSql + ".",
              true,
              false));
    }
    if (!publication.viaRoot()) {
      faults.add(
          new StreamFault(
              null, name, "does not publish via the partition root", etlSql + ".", true, false));
    }
    for (SourceTable table : captured) {
      if (now.of(table).isEmpty()) {
        faults.add(
            new StreamFault(
                table,
                table.tableName(),
                "was dropped, or has another name or schema",
                "give it its name and schema again, and "
                    + etlSql
                    + ". ./etl resync --table "
                    + table.tableName()
                    + " reads what was missed.",
                true,
                false));
      }
    }
    now.relations().forEach(relation -> addFaults(relation, publication, etlSql, faults));
    return faults;
  }

  private static void addFaults(
      Relation relation, Publication publication, String etlSql, List<StreamFault> faults) {
    if (!relation.partition()) {
      addPublicationFaults(relation, publication, etlSql, faults);
    }
    String quoted = sqlName(relation.name());
    if (relation.unlogged()) {
      faults.add(
          lost(
              relation,
              "is unlogged, so its changes are not in the WAL",
              "ALTER TABLE " + quoted + " SET LOGGED."));
    }
    if (!relation.fullIdentity()) {
      faults.add(
          noLoss(
              relation,
              "has no REPLICA IDENTITY FULL, so updates and deletes arrive without the old row",
              "ALTER TABLE " + quoted + " REPLICA IDENTITY FULL.",
              false));
    }
  }

  /** The name that a catalogue has for a relation, in a statement: the schema is before a dot. */
  private static String sqlName(String name) {
    int dot = name.indexOf('.');
    return dot < 0
        ? SourceServer.quoted(name)
        : SourceServer.quoted(name.substring(0, dot))
            + "."
            + SourceServer.quoted(name.substring(dot + 1));
  }

  private static void addPublicationFaults(
      Relation relation, Publication publication, String etlSql, List<StreamFault> faults) {
    if (!relation.published()) {
      faults.add(lost(relation, "is not in the publication", etlSql + "."));
    }
    if (relation.rowFilter()) {
      faults.add(lost(relation, "has a row filter in the publication", etlSql + "."));
    }
    if (relation.columnList()) {
      faults.add(lost(relation, "has a column list in the publication", etlSql + "."));
    }
    if (relation.rowSecurity()) {
      faults.add(
          noLoss(
              relation,
              "has row security that applies to the job's role, which hides rows from it",
              "ALTER ROLE … BYPASSRLS, or a policy that lets the job's role read every row.",
              true));
    }
    if (!relation.generated().isEmpty() && !publication.generatedColumns()) {
      faults.add(
          noLoss(
              relation,
              "generates the column "
                  + String.join(", ", relation.generated())
                  + ", which PostgreSQL does not send",
              "make it an ordinary column, written by the platform.",
              false));
    }
  }

  private static StreamFault lost(Relation relation, String reason, String remedy) {
    return new StreamFault(relation.table(), relation.name(), reason, remedy, true, false);
  }

  private static StreamFault noLoss(
      Relation relation, String reason, String remedy, boolean hidesRows) {
    return new StreamFault(relation.table(), relation.name(), reason, remedy, false, hidesRows);
  }
}
