package io.experimentetl.attribution;

/**
 * What is kept of a user whose id is not the one that the key was made for; a record of keyed
 * state.
 *
 * @param userId the user's id now
 * @param formerIds the ids before
 * @param origin of the last rename; null: facts of the id before were erased
 * @param unmoved delivered facts whose rows stand under a former id
 */
public record RenamedState(
    String userId, String[] formerIds, Origin origin, UnmovedState[] unmoved) {}
