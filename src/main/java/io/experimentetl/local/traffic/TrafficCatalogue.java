package io.experimentetl.local.traffic;

import static io.experimentetl.local.traffic.Write.Kind.INSERT_EXPERIMENT;
import static io.experimentetl.local.traffic.Write.Kind.INSERT_VARIANT;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/** The experiments that run on the platform. */
final class TrafficCatalogue {

  record Experiment(
      long id,
      String key,
      String name,
      String status,
      String zone,
      Duration startsBeforeNow,
      Duration endsBeforeNow,
      List<Variant> variants) {

    boolean runsAt(Instant time, Instant now) {
      return !time.isBefore(now.minus(startsBeforeNow))
          && (endsBeforeNow == null || !time.isAfter(now.minus(endsBeforeNow)));
    }
  }

  /**
   * @param sharePerMille of users that the assigner really gives the variant: not always what
   *     {@code allocationPct} promises
   * @param conversionPerMille of the visits of exposed users
   */
  record Variant(
      long id,
      String key,
      int allocationPct,
      boolean control,
      int sharePerMille,
      int conversionPerMille) {}

  static final long UNKNOWN_EXPERIMENT = 999_999;

  static final List<Experiment> EXPERIMENTS =
      List.of(
          new Experiment(
              101,
              "checkout_button",
              "Checkout button colour",
              "ACTIVE",
              null,
              Duration.ofDays(30),
              null,
              List.of(
                  new Variant(1011, "control", 50, true, 500, 100),
                  new Variant(1012, "green", 50, false, 500, 125))),
          new Experiment(
              102,
              "pricing_page",
              "Pricing page layout",
              "ACTIVE",
              "America/Los_Angeles",
              Duration.ofDays(30),
              null,
              List.of(
                  new Variant(1021, "control", 34, true, 340, 60),
                  new Variant(1022, "compact", 33, false, 330, 62),
                  new Variant(1023, "yearly_first", 33, false, 330, 75))),
          // Its assigner is broken: 50/50 promised, 99.7/0.3 given.
          new Experiment(
              103,
              "onboarding_flow",
              "Onboarding in three steps",
              "ACTIVE",
              "Europe/Berlin",
              Duration.ofDays(30),
              null,
              List.of(
                  new Variant(1031, "control", 50, true, 997, 200),
                  new Variant(1032, "three_steps", 50, false, 3, 240))),
          // Begins and ends within the traffic: some events lie outside.
          new Experiment(
              104,
              "search_ranking",
              "Search by relevance",
              "COMPLETED",
              "Asia/Tokyo",
              Duration.ofHours(54),
              Duration.ofHours(12),
              List.of(
                  new Variant(1041, "control", 50, true, 500, 300),
                  new Variant(1042, "relevance", 25, false, 250, 310),
                  new Variant(1043, "popularity", 25, false, 250, 280))),
          // No variant is its control, and 90 of 100 are allocated.
          new Experiment(
              105,
              "holiday_banner",
              "Holiday banner",
              "ACTIVE",
              null,
              Duration.ofDays(30),
              null,
              List.of(
                  new Variant(1051, "snow", 45, false, 500, 30),
                  new Variant(1052, "fireworks", 45, false, 500, 33))));

  private TrafficCatalogue() {}

  /** Experiments and variants; a database that has them already keeps its own. */
  static List<Write> writes(Instant now) {
    List<Write> writes = new ArrayList<>();
    String created = now.minus(Duration.ofDays(31)).toString();
    for (Experiment e : EXPERIMENTS) {
      String config =
          e.zone() == null
              ? "{\"owner\": \"growth\"}"
              : "{\"owner\": \"growth\", \"zone\": \"" + e.zone() + "\"}";
      writes.add(
          Write.of(
              INSERT_EXPERIMENT,
              e.id(),
              e.key(),
              e.name(),
              "What “" + e.name() + "” changes",
              e.status(),
              "seed-" + e.id(),
              1,
              config,
              now.minus(e.startsBeforeNow()).toString(),
              e.endsBeforeNow() == null ? null : now.minus(e.endsBeforeNow()).toString(),
              created,
              created));
      for (Variant v : e.variants()) {
        writes.add(
            Write.of(
                INSERT_VARIANT,
                v.id(),
                e.id(),
                v.key(),
                v.key().replace('_', ' '),
                null,
                v.allocationPct(),
                v.control(),
                "{\"flag\": \"" + e.key() + "." + v.key() + "\"}",
                created,
                created));
      }
    }
    return writes;
  }
}
