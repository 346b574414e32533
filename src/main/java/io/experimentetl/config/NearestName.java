package io.experimentetl.config;

import java.util.Arrays;
import java.util.Locale;

/** Finds the name that was probably meant by a misspelled one. */
public final class NearestName {

  private NearestName() {}

  /** "Did you mean NAME?", or an empty string when no candidate is similar. */
  public static String question(String name, Iterable<String> candidates) {
    String nearest = null;
    int min = Math.max(2, name.length() / 3) + 1;
    for (String candidate : candidates) {
      int distance =
          editDistance(name.toLowerCase(Locale.ROOT), candidate.toLowerCase(Locale.ROOT));
      if (distance < min) {
        min = distance;
        nearest = candidate;
      }
    }
    return nearest == null ? "" : "Did you mean " + nearest + "?";
  }

  /** The Levenshtein distance. */
  private static int editDistance(String a, String b) {
    int[] row = new int[b.length() + 1];
    Arrays.setAll(row, i -> i);
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(replaced, Math.min(row[j], row[j - 1]) + 1);
      }
    }
    return row[b.length()];
  }
}
