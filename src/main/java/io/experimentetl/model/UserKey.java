package io.experimentetl.model;

/**
 * The key under which a user's facts are kept. It is the user's first id; later ids are aliases of
 * it. A user who gets an id that is such a key already has a key that was made for the id.
 */
public final class UserKey {
  /** PostgreSQL's texts never contain it, so no id looks like a key that was made. */
  private static final char MADE = '\0';

  private UserKey() {}

  /**
   * A key for an id that is the key of another user.
   *
   * @param number no two keys are made with the same
   */
  public static String madeFor(String userId, long number) {
    return userId + MADE + number;
  }

  /** The id for which the key was made, or which it is. */
  public static String userIdOf(String key) {
    int end = key.indexOf(MADE);
    return end < 0 ? key : key.substring(0, end);
  }
}
