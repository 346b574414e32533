package io.experimentetl.report;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The page's first words: whether the figures can be trusted, and why not.
 *
 * @param sign the path of its icon
 */
record Verdict(String word, String grade, String sign, List<Reason> reasons) {
  private static final String OK = "ok";
  private static final String CARE = "with care";
  private static final String STOP = "do not trust";
  private static final int MAX_NAMED = 4;

  /**
   * A verdict of the views.
   *
   * @param holdsFor the comparisons it is about; empty: all
   */
  record Reason(String reason, String holdsFor) {}

  /**
   * The gravest of the newest day's verdicts, and which comparisons each reason is about; null
   * without any comparison. Nothing is judged by a diagnostic metric unless all metrics are.
   *
   * @param results rows of experiment_results by metric and variant, in the order of days
   */
  static Verdict of(Map<String, Map<Long, List<Figures.Row>>> results) {
    Map<String, Set<String>> holdsFor = new TreeMap<>();
    int judged = 0;
    boolean allAreDiagnostic = results.values().stream().allMatch(Verdict::isDiagnostic);
    for (Map.Entry<String, Map<Long, List<Figures.Row>>> metric : results.entrySet()) {
      if (isDiagnostic(metric.getValue()) && !allAreDiagnostic) {
        continue;
      }
      boolean compared = metric.getValue().values().stream().anyMatch(r -> !PageRows.isControl(r));
      for (List<Figures.Row> rows : metric.getValue().values()) {
        if (compared && PageRows.isControl(rows)) {
          continue;
        }
        judged++;
        holdsFor
            .computeIfAbsent(PageRows.last(rows).text("verdict"), verdict -> new TreeSet<>())
            .add(metric.getKey() + ": " + PageRows.variantName(PageRows.last(rows)));
      }
    }
    if (judged == 0) {
      return null;
    }
    String gravest = gravest(holdsFor.keySet());
    List<Reason> reasons = reasons(gravest, holdsFor, judged);
    return switch (gravest) {
      case OK ->
          new Verdict(
              "OK: nothing speaks against these figures", "ok", "M3 10.5L8 15.5L17 5", List.of());
      case STOP ->
          new Verdict("Do not trust these figures", "stop", "M4 4L16 16M16 4L4 16", reasons);
      default -> new Verdict("Read with care", "care", "M10 3V12M10 15V17.5", reasons);
    };
  }

  private static boolean isDiagnostic(Map<Long, List<Figures.Row>> variants) {
    return variants.values().stream()
        .allMatch(rows -> PageRows.last(rows).text("metric_role").equals("diagnostic"));
  }

  private static String gravest(Set<String> verdicts) {
    if (verdicts.stream().anyMatch(verdict -> verdict.startsWith(STOP))) {
      return STOP;
    }
    return verdicts.stream().allMatch(verdict -> verdict.equals(OK)) ? OK : CARE;
  }

  private static List<Reason> reasons(
      String gravest, Map<String, Set<String>> holdsFor, int comparisons) {
    return holdsFor.entrySet().stream()
        .filter(verdict -> verdict.getKey().startsWith(gravest) || gravest.equals(CARE))
        .filter(verdict -> !verdict.getKey().equals(OK))
        .map(verdict -> new Reason(verdict.getKey(), scope(verdict.getValue(), comparisons)))
        .toList();
  }

  private static String scope(Set<String> named, int comparisons) {
    if (named.size() == comparisons) {
      return "";
    }
    return named.size() <= MAX_NAMED
        ? String.join(", ", named)
        : named.size() + " of " + comparisons + " comparisons";
  }
}
