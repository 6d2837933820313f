// Package workbench is what a detection engineer works at: it runs capture cases
// of rule files, and says what changes between two sets of rules, in the files and
// in what they find. It replays captures as the program does; it must never write,
// print, or judge a rule file by itself, which is sensor/detect's part.
package workbench
