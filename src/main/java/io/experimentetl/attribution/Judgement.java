package io.experimentetl.attribution;

/** What a transaction, seen from its end, has done to a user; its deletes are meant accordingly. */
enum Judgement {
  /** The user's row was not deleted: each delete of a fact is judged by itself. */
  KEPT,

  /** The user's row was deleted and inserted again: its deletes of facts are meant as such. */
  REPLACED,

  /** The user's row is absent: all facts are erased. */
  ERASED
}
