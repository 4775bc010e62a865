/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Every difference between the server versions that mlpipe supports.
 *
 * Each entry says what changed, and dies with the last version that needs it.
 * Calls are wrapped under a new name; no name of the server is redefined.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLPIPE_COMPAT_H
#define MLPIPE_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "mlpipe needs PostgreSQL 15 or later"
#endif

/* 17 added named wait events for extensions. */
#if PG_VERSION_NUM >= 170000
#define wait_event_new(name) WaitEventExtensionNew(name)
#else
#define wait_event_new(name) PG_WAIT_EXTENSION
#endif

/* 17 added transaction_timeout, whose timer starts with each transaction. */
#if PG_VERSION_NUM >= 170000
#define transaction_timeout_setting() TransactionTimeout
#define transaction_timeout_disarm()                     \
	do                                                   \
	{                                                    \
		if (get_timeout_active(TRANSACTION_TIMEOUT))     \
			disable_timeout(TRANSACTION_TIMEOUT, false); \
		TransactionTimeoutPending = false;               \
	} while (0)
#else
#define transaction_timeout_setting() 0
#define transaction_timeout_disarm()  ((void) 0)
#endif

/* 17 renamed the variables from which transactions are numbered. */
#if PG_VERSION_NUM >= 170000
#define oldest_xid_kept() (TransamVariables->oldestXid)
#else
#define oldest_xid_kept() (ShmemVariableCache->oldestXid)
#endif

/* 18 made the attribute of functions that never return a specifier. */
#if PG_VERSION_NUM >= 180000
#define never_returns pg_noreturn
#else
#define never_returns pg_attribute_noreturn()
#endif

/* 18 removed PortalRun's run_once argument. */
#if PG_VERSION_NUM >= 180000
#define portal_run(portal, toplevel, dest, qc) \
	PortalRun(portal, FETCH_ALL, toplevel, dest, dest, qc)
#else
#define portal_run(portal, toplevel, dest, qc) \
	PortalRun(portal, FETCH_ALL, toplevel, true, dest, dest, qc)
#endif

/* 18 removed ExecutorRun's execute_once argument. */
#if PG_VERSION_NUM >= 180000
#define executor_run(desc, direction, count) \
	ExecutorRun(desc, direction, count)
#else
#define executor_run(desc, direction, count) \
	ExecutorRun(desc, direction, count, true)
#endif

/* 16 unified the checks of rights on objects of a class. */
#if PG_VERSION_NUM >= 160000
#define database_aclcheck(db, role, mode) \
	object_aclcheck(DatabaseRelationId, db, role, mode)
#else
#define database_aclcheck(db, role, mode) pg_database_aclcheck(db, role, mode)
#endif

#if PG_VERSION_NUM >= 160000
#define tablespace_aclcheck(tablespace, role, mode) \
	object_aclcheck(TableSpaceRelationId, tablespace, role, mode)
#else
#define tablespace_aclcheck(tablespace, role, mode) \
	pg_tablespace_aclcheck(tablespace, role, mode)
#endif

/* 16 unified the checks of ownership, too. */
#if PG_VERSION_NUM >= 160000
#define owns_extension(extension, role) \
	object_ownercheck(ExtensionRelationId, extension, role)
#define owns_database(database, role) \
	object_ownercheck(DatabaseRelationId, database, role)
#else
#define owns_database(database, role) pg_database_ownercheck(database, role)
#define owns_extension(extension, role) \
	pg_extension_ownercheck(extension, role)
#endif

/* 16 made the right to SET ROLE an option of the membership. */
#if PG_VERSION_NUM >= 160000
#define may_set_role(member, role) member_can_set_role(member, role)
#else
#define may_set_role(member, role) is_member_of_role(member, role)
#endif

/* 18 made RETURNING of a raw statement a node of its own. */
#if PG_VERSION_NUM >= 180000
#define has_returning(stmt) ((stmt)->returningClause != NULL)
#else
#define has_returning(stmt) ((stmt)->returningList != NIL)
#endif

/* 17 gave MERGE a RETURNING clause. */
#if PG_VERSION_NUM >= 170000
#define merge_has_returning(stmt) has_returning(stmt)
#else
#define merge_has_returning(stmt) false
#endif

/* 16 renamed what says where a relation's files are. */
#if PG_VERSION_NUM >= 160000
#define relation_file(relation) ((relation)->rd_locator)
#else
#define relation_file(relation) ((relation)->rd_node)
#endif

/* 18 made a path a value instead of a pointer. */
#if PG_VERSION_NUM >= 180000
#define relation_path(relation) \
	pstrdup(relpathperm(relation_file(relation), MAIN_FORKNUM).str)
#else
#define relation_path(relation) \
	relpathperm(relation_file(relation), MAIN_FORKNUM)
#endif

/* 16 moved what rights a table of a statement needs out of its range table. */
#if PG_VERSION_NUM >= 160000
#define permission_info(plan, table) \
	getRTEPermissionInfo((plan)->permInfos, unconstify(RangeTblEntry *, table))
#define table_required_rights(plan, table) \
	((table)->perminfoindex == 0 ?         \
		 0 :                               \
		 permission_info(plan, table)->requiredPerms)
#define table_checked_as(plan, table) \
	(permission_info(plan, table)->checkAsUser)
#else
#define table_required_rights(plan, table) ((table)->requiredPerms)
#define table_checked_as(plan, table)      ((table)->checkAsUser)
#endif

/* 16 renamed what says in which subtransaction a relation got its files. */
#if PG_VERSION_NUM >= 160000
#define relation_new_file_subid(relation) \
	((relation)->rd_newRelfilelocatorSubid)
#else
#define relation_new_file_subid(relation) ((relation)->rd_newRelfilenodeSubid)
#endif

#endif /* MLPIPE_COMPAT_H */
