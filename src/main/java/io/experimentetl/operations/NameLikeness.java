package io.experimentetl.operations;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** How much a name of the platform is like one of our words, from 0 to 1. */
final class NameLikeness {
  private static final double EXACT = 1;
  private static final double AT_THE_END = 0.7;
  private static final double WITHIN = 0.4;

  /** An earlier word of a list fits better than a later one. */
  private static final double PER_WORD = 0.03;

  /** What the end of a name says about a time, and not what the time is of. */
  private static final Set<String> UNITS = Set.of("ms", "millis", "us", "micros", "utc", "epoch");

  private NameLikeness() {}

  /**
   * The likeness of a name to the best of these words.
   *
   * @param owners words that say nothing beside their table, such as {@code test} in {@code
   *     tests.test_id}
   * @param words each in lower case, with a blank between its parts
   */
  static double of(String name, Set<String> owners, List<String> words) {
    List<String> parts = parts(name);
    List<String> bare = new ArrayList<>(parts);
    while (bare.size() > 1 && owners.contains(singular(bare.get(0)))) {
      bare.remove(0);
    }
    double best = 0;
    for (int i = 0; i < words.size(); i++) {
      List<String> word = List.of(words.get(i).split(" "));
      best = Math.max(best, Math.max(of(parts, word), of(bare, word)) - PER_WORD * i);
    }
    return best;
  }

  private static double of(List<String> parts, List<String> word) {
    if (parts.equals(word) || String.join("", parts).equals(String.join("", word))) {
      return EXACT;
    }
    int from = parts.size() - word.size();
    if (from > 0 && parts.subList(from, parts.size()).equals(word)) {
      return AT_THE_END;
    }
    return parts.containsAll(word) ? WITHIN : 0;
  }

  /** The parts of a name in snake or camel case, without the unit of a time. */
  static List<String> parts(String name) {
    List<String> parts = new ArrayList<>();
    for (String part :
        name.replaceAll("([a-z0-9])([A-Z])", "$1_$2")
            .toLowerCase(Locale.ROOT)
            .split("[^a-z0-9]+", -1)) {
      if (!part.isEmpty()) {
        parts.add(part);
      }
    }
    while (parts.size() > 1 && UNITS.contains(parts.get(parts.size() - 1))) {
      parts.remove(parts.size() - 1);
    }
    return parts;
  }

  /** The singular of an English noun, as far as names of tables go. */
  static String singular(String noun) {
    if (noun.equals("people")) {
      return "person";
    }
    if (noun.endsWith("ies")) {
      return noun.substring(0, noun.length() - 3) + "y";
    }
    return noun.endsWith("s") && !noun.endsWith("ss") && !noun.endsWith("us")
        ? noun.substring(0, noun.length() - 1)
        : noun;
  }
}
